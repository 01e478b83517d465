"""Puts the models that ship, of saved_models/, into the package; all else is in setup.cfg."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["kfer*"]), "kfer.saved_models"],
    package_dir={"kfer.saved_models": "saved_models"},
)

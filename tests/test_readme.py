import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


def test_python_blocks_run(tmp_path: Path):
    (code,) = blocks("python")
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert re.search(r"expression accuracy [01]\.\d\d\n", process.stdout)


def test_each_of_the_two_commands_is_one_line():
    first, second = blocks("bash")[:2]
    assert first.count("\n") == second.count("\n") == 1
    assert first.endswith("-m kfer.pipeline\n")
    assert second.endswith("-m pytest\n")


def test_files_that_the_readme_names_exist():
    links = re.findall(r"\]\(((?!http)[^)#]+)\)", README.read_text())
    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []


def test_options_that_the_readme_names_exist():
    from kfer.settings import PipelineSettings
    from kfer.settings.dotted import override

    settings = re.findall(r"--(\w+\.[\w.]+) (\S+)", README.read_text())
    assert settings
    override(PipelineSettings(), dict(settings))

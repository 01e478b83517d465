"""Makes the fixtures that prove that kfer's networks are torchvision's.

    pip install torch==2.14.1 torchvision==0.29.1 safetensors numpy
    python tests/backbones/make_fixtures.py

Small networks with torchvision's own modules and forward code, random weights and random running
statistics; what they answer at several depths to random images of four sizes. The tests need none
of these packages but safetensors. The files were made on CPU with the versions above and Python 3.11;
the seed is fixed, but another version of torch may draw other numbers.

Written into `fixtures/`: `resnet.pth`, `densenet.pth`, `densenet_legacy.pth` (torch's format before 1.6,
keys as in torchvision's published checkpoint), `densenet.safetensors`, `images.npz` (uint8 RGB
`[1, size, size, 3]` by size, before any normalisation) and `resnet.npz`, `densenet.npz` (float32
`[1, height, width, channels]` by "size/module", logits `[1, 5]`).
"""

import re
from pathlib import Path

import numpy as np
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet

FOLDER = Path(__file__).parent / "fixtures"
SIZES = (32, 33, 48, 65)
CLASSES = 5
RESNET_DEPTHS = ("maxpool", "layer1", "layer2", "layer3", "layer4", "fc")
DENSENET_DEPTHS = (
    "features.pool0",
    *(f"features.{part}{number}" for number in (1, 2, 3) for part in ("denseblock", "transition")),
    "features.denseblock4",
    "features.norm5",
    "classifier",
)


class SmallResNet(ResNet):
    """torchvision's ResNet, whose 64 first channels are no argument, with fewer."""

    def __init__(self, blocks: tuple[int, ...], width: int) -> None:
        super().__init__(Bottleneck, list(blocks), num_classes=CLASSES)
        self.inplanes = width
        self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        for stage, count in enumerate(blocks):
            layer = self._make_layer(Bottleneck, width * 2**stage, count, stride=2 if stage else 1)
            setattr(self, f"layer{stage + 1}", layer)
        self.fc = nn.Linear(width * 8 * Bottleneck.expansion, CLASSES)


def randomized(network: nn.Module) -> nn.Module:
    """Returns the network ready for inference, with no weight at 0 or 1."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0.0, 0.3)
            nn.init.normal_(module.running_mean, 0.0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.bias)
    return network.eval()


def answers(
    network: nn.Module, depths: tuple[str, ...], images: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns what the modules answer, channels last, by "size/module"."""
    normalize = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    found: dict[str, np.ndarray] = {}
    with torch.no_grad():
        for size, image in images.items():
            hooks = []
            for depth in depths:

                def keep(
                    _: nn.Module, __: object, output: torch.Tensor, key: str = f"{size}/{depth}"
                ) -> None:
                    # A copy: a ReLU that follows may work in place.
                    found[key] = np.moveaxis(output.numpy().copy(), 1, -1)

                hooks.append(network.get_submodule(depth).register_forward_hook(keep))
            network(normalize(torch.tensor(image).permute(0, 3, 1, 2) / 255))
            for hook in hooks:
                hook.remove()
    return found


def main() -> None:
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    images = {str(size): generator.integers(0, 256, (1, size, size, 3), np.uint8) for size in SIZES}
    resnet = randomized(SmallResNet((1, 2, 1, 1), width=4))
    densenet = randomized(
        torchvision.models.DenseNet(
            growth_rate=4, block_config=(2, 3, 2, 2), num_init_features=8, num_classes=CLASSES
        )
    )
    FOLDER.mkdir(exist_ok=True)
    np.savez_compressed(FOLDER / "images.npz", **images)
    np.savez_compressed(FOLDER / "resnet.npz", **answers(resnet, RESNET_DEPTHS, images))
    np.savez_compressed(FOLDER / "densenet.npz", **answers(densenet, DENSENET_DEPTHS, images))
    torch.save(resnet.state_dict(), FOLDER / "resnet.pth")
    torch.save(densenet.state_dict(), FOLDER / "densenet.pth")
    save_file(densenet.state_dict(), FOLDER / "densenet.safetensors")
    published = {
        re.sub(r"(norm|conv)([12])\.", r"\1.\2.", key) if ".denselayer" in key else key: value
        for key, value in densenet.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    torch.save(published, FOLDER / "densenet_legacy.pth", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()

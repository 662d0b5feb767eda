"""Every architecture at every size."""

import pytest
import torch

from trainer.config import PRESETS, Config, ConfigError, resolve
from trainer.distributed import Group
from trainer.models import build
from trainer.update import Update

N_LABELS = 3
SMALL = {"generator_features": 4, "discriminator_features": 4, "z_dim": 8, "batch_size": 4, "device": "cpu"}


def config_of(preset: str, **settings: object) -> Config:
    """Returns a preset's settings with few channels."""
    return resolve(preset, None, SMALL | settings)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("size_px", [32, 64, 128])
@pytest.mark.parametrize("channels", [1, 3])
def test_one_step(preset: str, size_px: int, channels: int) -> None:
    """Images have their shape and range, one step moves every parameter, and all stays finite."""
    # The relativistic loss sees differences of logits only, which a bias of the last layer does not change.
    loss = {"loss": "minimax"} if preset in ("cgan", "guided") else {}
    # In bf16 the first step's gradient of that bias, a sum over both kinds of images, may round to none.
    config = config_of(preset, image_size_px=size_px, channels=channels, precision="fp32", **loss)
    update = Update(config, N_LABELS, torch.device("cpu"), Group())
    networks = {"generator": update.generator, "discriminator": update.discriminator}
    before = {
        f"{name}.{key}": value.clone() for name, n in networks.items() for key, value in n.named_parameters()
    }
    label = torch.tensor([0, 1, 2, 1])
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(4, channels, size_px, size_px, generator=rng) * 2 - 1
    drawn = update.generator(torch.randn(4, 8, generator=rng), label)
    assert drawn.shape == images.shape
    assert drawn.abs().max() <= 1
    result = update.step(lambda: (images, label), rng, 0.0)
    assert all(x.isfinite() for x in (result.d_loss, result.g_loss, *result.terms.values()))
    for name, network in networks.items():
        for key, value in network.named_parameters():
            assert value.isfinite().all(), f"{name}.{key}"
            assert not torch.equal(value, before[f"{name}.{key}"]), f"{name}.{key} got no gradient"


@pytest.mark.parametrize("preset", ["cgan", "cgan-mirza", "wgan-gp"])
def test_the_label_decides(preset: str) -> None:
    """Under a conditional architecture the same noise or image gives different results for two labels."""
    torch.manual_seed(0)
    generator, discriminator = build(config_of(preset), N_LABELS)
    for parameter in generator.parameters():  # the gains of all labels start alike
        torch.nn.init.normal_(parameter, 0, 0.2)
    z, label = torch.randn(1, 8).expand(2, 8), torch.tensor([0, 1])
    a, b = generator.eval()(z, label)
    assert not torch.allclose(a, b)
    image = torch.rand(1, 3, 64, 64).expand(2, -1, -1, -1)
    logits = discriminator.eval()(image, label)
    assert not torch.allclose(logits[0], logits[1])


@pytest.mark.parametrize("preset", PRESETS)
def test_judges_alone(preset: str) -> None:
    """A discriminator that says so gives an image the same logit in any batch; batch norm does not."""
    torch.manual_seed(0)
    _, discriminator = build(config_of(preset, image_size_px=32), N_LABELS)
    images, label = torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 2, 0])
    whole = discriminator(images, label)[:2]
    part = discriminator(images[:2], label[:2])
    assert torch.allclose(whole, part, atol=1e-5) == discriminator.judges_alone


def test_sgan_scores_give_the_probability_of_real() -> None:
    """The logit's sigmoid is the softmax's share of the labels among K + 1 scores."""
    torch.manual_seed(0)
    _, discriminator = build(config_of("sgan"), N_LABELS)
    label = torch.tensor([-1, 0])
    scores = discriminator.features(torch.rand(2, 3, 64, 64), label)
    assert scores.shape == (2, N_LABELS + 1)
    real = scores.softmax(1)[:, :-1].sum(1)
    torch.testing.assert_close(discriminator.logit(scores, label).sigmoid(), real)
    assert discriminator.classify(scores).shape == (2, N_LABELS)


def test_too_few_labels() -> None:
    """Sgan refuses one label and conditional models none; one label will do for cgan, without classifier."""
    with pytest.raises(ConfigError, match=r"architecture is 'sgan', which needs at least 2 labels"):
        build(config_of("sgan"), 1)
    with pytest.raises(ConfigError, match="which needs at least 1 labels, but the data has 0"):
        build(config_of("cgan"), 0)
    generator, discriminator = build(config_of("cgan"), 1)
    assert not discriminator.classifies
    assert generator.n_labels == 1
    build(config_of("dcgan"), 0)

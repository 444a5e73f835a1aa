"""Two ranks adapt one source, alike."""

from pathlib import Path

import torch
from ranks import run_two_ranks
from typist import Typist

SCRIPT = """
import sys, torch
from lightning import Trainer, seed_everything
from leyden.data.source.builtin.digits import Digits
from leyden.data.batches.gan.adaptation import AdaptationImages
from leyden.gan.adaptation.adapt import Adaptation

rank, folder = int(sys.argv[1]), sys.argv[2]
seed_everything(rank, verbose=False)  # ranks would train sources of their own
data = AdaptationImages(
    Digits(), Digits(), source_classes=list("01"), target_classes=["9"], shots=12, image_size=16, batch_size=4
)
data.prepare_data()
model = Adaptation(
    **data.spec, method="ewc", base_channels=4, latent_dim=8, source_steps=3, source_batch_size=8, fisher_samples=2,
    eval_samples=30,
)
torch.manual_seed(rank)  # ranks draw noise of their own
trainer = Trainer(
    accelerator="cpu", devices=2, strategy="ddp", max_steps=3, limit_val_batches=0, enable_checkpointing=False,
    logger=False, enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
)
trainer.fit(model, data)
result = {
    "step": trainer.global_step,
    "source": model.source_generator.state_dict(),
    "fisher": model.fisher.state_dict(),
    "weights": dict(model.generator.named_parameters()) | dict(model.discriminator.named_parameters(prefix="d")),
    "ema": model.ema.state_dict(),
}
torch.save({key: {n: v.detach() for n, v in value.items()} if isinstance(value, dict) else value
            for key, value in result.items()}, f"{folder}/{rank}.pt")
"""


def test_ranks_adapt_the_same_source_to_the_same_networks(typist: Typist, tmp_path: Path) -> None:
    first, second = run_two_ranks(typist, SCRIPT, tmp_path)
    assert first["step"] == second["step"] == 3
    assert first["fisher"]["0_weight" if "0_weight" in first["fisher"] else next(iter(first["fisher"]))].sum() > 0
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    weights, source = first["weights"]["1.weight"], first["source"]["1.weight"]
    assert not torch.equal(weights, source)

from lightning import LightningDataModule, Trainer

from leyden.core.attached import attached_data


class Rows(LightningDataModule):
    pass


def test_data_of_the_wanted_kind_or_none() -> None:
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    assert attached_data(trainer, LightningDataModule) is None
    trainer.datamodule = rows = Rows()
    assert attached_data(trainer, Rows) is rows
    assert attached_data(trainer, LightningDataModule) is rows
    trainer.datamodule = LightningDataModule()
    assert attached_data(trainer, Rows) is None

"""Command lines to paste, shown in the help of each verb; those of run and sweep are in ``leyden.cli.help``."""

EXAMPLES = {
    "list": ["leyden list gan", "leyden list models sources"],
    "show": ["leyden show experiment=gan_dcgan", "leyden show model=gan/dcgan", "leyden show gan_dcgan trainer"],
    "tour": ["leyden tour", "leyden tour seed=1"],
    "resume": ["leyden resume last", "leyden resume outputs/sweeps/mine"],
    "check": ["leyden check experiment=gan_dcgan model.lr_generator=oops"],
    "find-lr": ["leyden find-lr experiment=tour_transfer --steps 40"],
    "predict": [
        "leyden predict last --input photos",
        "leyden predict tour_gan --count 64 --seed 1 --output samples",
        "leyden predict text_gpt --prompt 'The following' --count 5 --seed 1",
    ],
    "evaluate": ["leyden evaluate last"],
    "export": ["leyden export last --output model.onnx"],
    "compare": ["leyden compare mine", "leyden compare tour_gan outputs/sweeps/mine --metric test/fid --to page"],
    "reproduce": ["leyden reproduce last"],
    "verify": ["leyden verify last", "leyden verify experiment='glob(tour_*)'"],
    "check-data": ["leyden check-data data/source=voc data.source.root=FOLDER"],
    "advise": ["leyden advise data.source.root=FOLDER"],
    "new": [
        "leyden new technique my_net --folder mylab",
        "leyden new lab my_lab --folder mylab",
        "leyden new lab my_gan --from gan_dcgan",
    ],
    "completion": ['eval "$(leyden completion bash)"', 'eval "$(leyden completion zsh)"'],
}
"""By verb."""

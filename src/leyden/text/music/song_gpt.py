"""A GPT (Radford et al. 2018) that writes songs as text, and leaves them as MIDI, sound and piano rolls.

It learns as ``leyden.text.gpt.GPT`` does; the text of a song is that of ``leyden.data.source.music.notation``, whose
moments say where in a bar they begin, as in REMI (Huang and Yang 2020, "Pop Music Transformer"). Departures from it:
characters instead of one token for each event, no chords and no tempo among them, and learnt places instead of
Transformer-XL's memory, so that the network looks back on some four bars.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from leyden.data.source.music.score import bar_steps
from leyden.data.specs import TokenizerSpec
from leyden.report.music.songs import files_of
from leyden.text.gpt import GPT
from leyden.text.nets.encoder import EncoderSpec
from leyden.text.nets.gpt_encoder import Gelu


class SongGPT(GPT):
    """Trains a GPT on songs as text; the best ``val/bits_per_char`` marks the checkpoint.

    Args:
        tokenizer: which numbers stand for which text; given by the data.
        context: tokens that a prediction may look back on; given by the data.
        time: the songs' time signature.
        tempo: quarter notes in a minute, of the files that are heard.
        layers: blocks of attention.
        heads: of each block; they divide ``width``.
        width: channels.
        dropout: of embeddings, attention weights and branches.
        gelu: "none", the exact one, or "tanh", the approximation that GPT-2 has.
        lr: AdamW's greatest rate.
        weight_decay: AdamW's, of weights and embeddings.
        warmup: part of the steps in which the rate grows; then it falls to 0 along half a cosine.
        sample_length: tokens of a sample, at most: it ends where a song ends.
        temperature: what logits are divided by before a token is drawn; below 1 the likely ones become likelier.
        top_k: only so many of the likeliest tokens can be drawn; null: all.
        top_p: only the fewest likeliest tokens can be drawn that have this probability together; null: all.
        weights: ``none``, or a run of this technique, which then goes on learning.
        encoder: the network of a checkpoint, whose weights come from there; not for configs.

    Raises:
        ValueError: a value is outside its range, or ``time`` is no time signature.
        FileNotFoundError: there are no such weights.
    """

    def __init__(
        self,
        tokenizer: TokenizerSpec,
        context: int,
        time: str = "4/4",
        tempo: float = 84.0,
        layers: int = 4,
        heads: int = 4,
        width: int = 128,
        dropout: float = 0.0,
        gelu: Gelu = "none",
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        warmup: float = 0.05,
        sample_length: int = 300,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        weights: str = "none",
        encoder: EncoderSpec | None = None,
    ) -> None:
        if tempo <= 0:
            raise ValueError(f"model.tempo={tempo} is above 0")
        self.steps, self.tempo = bar_steps(time), tempo
        super().__init__(
            tokenizer,
            context,
            layers,
            heads,
            width,
            dropout,
            gelu,
            lr,
            weight_decay,
            warmup,
            sample_length,
            temperature,
            top_k,
            top_p,
            weights,
            encoder,
        )

    def prediction_files(self, rows: Sequence[dict[str, Any]]) -> Mapping[str, bytes]:
        """A MIDI and a WAV file for each row with a bar of music, and ``rolls.png`` of all.

        Args:
            rows: of samples ("text") or continuations ("prompt" and "continuation"), each also with its "path".
        """
        texts = {row["path"]: row.get("text") or row.get("prompt", "") + row.get("continuation", "") for row in rows}
        return files_of(texts, self.tempo, self.steps)

"""GPT: a transformer that predicts the next token (Radford et al. 2018, "Improving Language Understanding by Generative
Pre-Training"; 2019, "Language Models are Unsupervised Multitask Learners", whose layout this is).

Each token becomes the sum of an embedding of it and one of its place; blocks of causal attention follow (Vaswani et al.
2017); the embeddings, transposed, turn the last norm's output into logits. Training minimises, over all places at once,

    -mean_t ln p(x_t | x_1 .. x_{t-1})                                      (GPT, eq. 1)

Weights are drawn from N(0, 0.02), those that end a shortcut's branch from N(0, 0.02 / sqrt(2 layers)) (GPT-2, section
2.3). With 12 layers of 768 channels, 1024 places and 50,257 tokens it has GPT-2's 124,439,808 parameters.

Departures: attention and the rest share one dropout, 0 by default; tokens are characters unless the data has others.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.data.specs import TokenizerSpec
from leyden.nets.transformer import Block, Cache
from leyden.text.checkpoints import gpt_of
from leyden.text.language_model import LanguageModel
from leyden.text.nets.encoder import Encoder, EncoderSpec
from leyden.text.nets.gpt_encoder import Gelu, GPTEncoder
from leyden.text.sampling import Sampling


class GPTNet(nn.Module):
    """Tokens (B, T) to logits (B, T, V).

    Args:
        vocabulary_size: V.
        context: largest T.
        layers: blocks.
        heads: of each block's attention.
        width: D, channels.
        dropout: of embeddings, attention weights and branches.
        gelu: "tanh", GPT-2's approximation, or "none", the exact one.
    """

    def __init__(
        self,
        vocabulary_size: int,
        context: int,
        layers: int,
        heads: int,
        width: int,
        dropout: float,
        gelu: Gelu = "tanh",
    ) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary_size, width)
        self.place = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads, True, dropout, gelu=gelu) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.dropout, self.gelu = dropout, gelu
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                ends_branch = name.endswith(("attention.out.weight", "mlp.2.weight"))
                nn.init.normal_(parameter, std=0.02 / (2 * layers) ** 0.5 if ends_branch else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, tokens: Tensor, caches: list[Cache] | None = None) -> tuple[Tensor, list[Cache]]:
        """Logits (B, T, V) and each block's cache; with caches of S earlier tokens, T must be 1."""
        seen = 0 if caches is None else caches[0].keys.shape[2]
        places = torch.arange(seen, seen + tokens.shape[1], device=tokens.device)
        x = F.dropout(self.token(tokens) + self.place(places), self.dropout, self.training)  # (B, T, D)
        new = []
        for i, block in enumerate(self.blocks):
            x, cache = block(x, None if caches is None else caches[i])
            new.append(cache)
        return F.linear(self.norm(x), self.token.weight), new  # tied weights


class GPT(LanguageModel):
    """Trains a GPT on windows of tokens; the best ``val/bits_per_char`` marks the checkpoint.

    Args:
        tokenizer: which numbers stand for which text; given by the data.
        context: tokens that a prediction may look back on; given by the data.
        layers: blocks of attention.
        heads: of each block; they divide ``width``.
        width: channels.
        dropout: of embeddings, attention weights and branches; 0 where no text is read often enough to be learnt by
            heart.
        gelu: "none", the exact one, which takes half the time on a CPU, or "tanh", the approximation that GPT-2 has.
        lr: AdamW's greatest rate.
        weight_decay: AdamW's, of weights and embeddings.
        warmup: part of the steps in which the rate grows; then it falls to 0 along half a cosine.
        sample_length: tokens of a sample, at most: it ends where a text ends.
        temperature: what logits are divided by before a token is drawn; below 1 the likely ones become likelier, 0
            takes the likeliest.
        top_k: only so many of the likeliest tokens can be drawn; null: all.
        top_p: only the fewest likeliest tokens can be drawn that have this probability together; null: all.
        weights: ``none``; a run of this technique, a folder in the layout of the library transformers or a name on the
            Hugging Face hub, of a GPT-2 which then goes on learning, with sizes and activation of its own.
        encoder: the network of a checkpoint, whose weights come from there; not for configs.

    Raises:
        ValueError: the heads do not divide the width, a value is outside its range, or ``weights`` are no GPT-2's, or
            were trained with another tokenizer.
        FileNotFoundError, ImportError: there are no such weights.
    """

    def __init__(
        self,
        tokenizer: TokenizerSpec,
        context: int,
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
        sampling = Sampling(temperature, top_k, top_p)
        super().__init__(tokenizer, context, lr, weight_decay, warmup, sample_length, sampling)
        self.save_hyperparameters(logger=False)
        self.net = gpt_of(weights, tokenizer, context, layers, heads, width, dropout, gelu, encoder)
        self.hparams["encoder"] = self.encoder.spec  # so that a checkpoint needs nothing but itself

    @property
    def encoder(self) -> Encoder:
        """What other techniques take of a record: all but the head."""
        return GPTEncoder(self.net)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, T), T up to ``context``, to logits (B, T, V) of the token behind each."""
        return self.net(tokens)[0]

    @torch.no_grad()
    def draws(self, start: Tensor, generator: torch.Generator | None = None) -> Iterator[Tensor]:
        """Tokens (B,) int64 behind each of ``start`` (B, T), one after the other, without end.

        Keys and values of earlier tokens are kept. When ``context`` places are full, the later half of the tokens is
        read anew from the first place on, so that each draw still looks back on half a context or more.
        """
        recent, caches = start[:, -self.context :], None
        unread = recent
        while True:
            logits, caches = self.net(unread, caches)
            unread = self.draw(logits[:, -1], generator).unsqueeze(1)
            yield unread[:, 0]
            recent = torch.cat([recent, unread], 1)
            if caches[0].keys.shape[2] == self.context:
                recent = unread = recent[:, -(self.context // 2 + 1) :]
                caches = None

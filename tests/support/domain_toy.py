"""Two small domains without random numbers, of which golden values are known."""

import torch

ROW, COLUMN = torch.arange(6.0, dtype=torch.float64)[:, None], torch.arange(3.0, dtype=torch.float64)
SOURCE = (1 + 1.7 * ROW + 0.9 * COLUMN).sin()
TARGET = (0.3 + 1.1 * ROW[:4] + 0.7 * COLUMN).cos() + 0.5
LABELS = torch.tensor([0, 1, 0, 1, 0, 1])

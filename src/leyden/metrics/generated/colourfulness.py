"""How colourful images are to people (Hasler and Suesstrunk 2003, "Measuring colourfulness in natural images")."""

from torch import Tensor


def colourfulness(images: Tensor) -> Tensor:
    """Colourfulness M3 of each image (section 7): sqrt(s_rg^2 + s_yb^2) + 0.3 sqrt(m_rg^2 + m_yb^2).

    m and s are mean and standard deviation over the pixels of rg = R - G and yb = (R + G) / 2 - B.

    Args:
        images: RGB (N, 3, H, W) in 0..255.

    Returns:
        (N,); 0 for grey, about 15 slightly, 33 moderately, 45 averagely and 109 extremely colourful (table 2).
    """
    red, green, blue = images.float().flatten(2).unbind(1)
    opponents = [red - green, (red + green) / 2 - blue]
    spread = sum(values.var(1, correction=0) for values in opponents)
    mean = sum(values.mean(1).square() for values in opponents)
    return spread**0.5 + 0.3 * mean**0.5

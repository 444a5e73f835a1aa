"""StyleGAN: a generator that is given a style, a learnt vector, in each of its layers."""

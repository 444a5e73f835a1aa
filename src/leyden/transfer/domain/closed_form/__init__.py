"""Closed forms that bring two domains together: a linear map or a projection, then a classifier."""

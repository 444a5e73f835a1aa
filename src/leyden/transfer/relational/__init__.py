"""Transfer through relations: a matrix with holes is completed, features and labels of all tasks in it at once."""

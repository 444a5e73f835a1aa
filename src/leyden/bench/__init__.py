"""The run itself: compose, check, build, fit, test, record, resume. Names no technique."""

"""What every layer rests on: files, seeds, ranks. Imports nothing else of Leyden."""

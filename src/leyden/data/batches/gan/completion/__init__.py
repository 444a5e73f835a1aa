"""Images from which something was taken away: their colours, or what was in a hole."""

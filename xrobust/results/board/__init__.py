"""Parts of the leaderboard: its document, records of runs, their index, entries, ranks."""

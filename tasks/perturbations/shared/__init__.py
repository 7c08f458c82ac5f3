"""What several perturbations are made of: scripts, letters, words, entities, gazetteers."""

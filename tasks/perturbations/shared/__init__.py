"""Pieces that several perturbations share: scripts, letters, words, entities, gazetteers."""

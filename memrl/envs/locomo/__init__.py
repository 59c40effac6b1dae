"""LoCoMo (Maharana et al. 2024, arXiv:2402.17753) as a stream: turn by turn, then the questions."""

"""Results as one page that needs no network, and as figures for a paper. The only package that draws; no torch here."""

"""The zoo: what each network is (`facts`), how it is built (a module per architecture), which weights fit."""

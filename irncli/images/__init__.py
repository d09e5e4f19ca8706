"""Files <-> tensors: ``files`` reads and writes, ``colour`` settles modes, ``pixels`` knows torch."""

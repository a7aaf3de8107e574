"""Writes the small files that the test of the SVHN reader reads, as SVHN's authors' MATLAB would: needs scipy."""
import numpy
import scipy.io

rows, columns, channels, images = numpy.indices((32, 32, 3, 12))
pixels = ((images * 16 + channels * 5 + rows // 8 + 2 * (columns // 8)) % 256).astype(numpy.uint8)
labels = numpy.arange(12).reshape(12, 1) % 10 + 1
scipy.io.savemat("compressed.mat", {"X": pixels, "y": labels.astype(numpy.uint8)}, do_compression=True)
scipy.io.savemat("plain.mat", {"X": pixels[..., :2], "y": labels[:2].astype(float)})
scipy.io.savemat("bad_label.mat", {"X": pixels, "y": labels.astype(numpy.uint8) + 1}, do_compression=True)
scipy.io.savemat("bad_shape.mat", {"X": pixels[:31], "y": labels.astype(numpy.uint8)}, do_compression=True)

"""Writes the small files that the tests of image folders read: needs Pillow. All but the last two show the same: red on the left,
blue on the right."""
import numpy
from PIL import Image

red, blue = (250, 10, 10), (10, 10, 250)
picture = Image.new("RGB", (16, 16), red)
picture.paste(blue, (8, 0, 16, 16))
picture.save("baseline.jpg", quality=95, subsampling=0, exif=b"Exif\0\0\xff\xd8 a thumbnail ends here \xff\xd9")
picture.save("progressive.jpg", quality=95, subsampling=0, progressive=True)
picture.save("restarts.jpg", quality=95, subsampling=0, restart_marker_blocks=1)
picture.convert("CMYK").save("cmyk.jpg", quality=95)
picture.save("rgb.png")
picture.quantize(4).save("palette.png")
picture.convert("RGBA").save("alpha.png")
# Half of 65535 on the left, all of it on the right.
grey = numpy.full((16, 16), 32896, "uint16")
grey[:, 8:] = 65535
Image.fromarray(grey).save("grey16.png")
picture.save("animated.png", save_all=True, append_images=[Image.new("RGB", (16, 16), blue)])
picture.save("gif.png", format="GIF")

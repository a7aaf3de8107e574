use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Shape;
use crate::official::{Checksum, Official};

/// A data set that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetName {
    /// 1,797 hand-written digits of 8 by 8 pixels (Alpaydin and Kaynak, UCI, 1998); built in.
    Digits,
    /// 60,000 hand-written digits of 28 by 28 pixels, the MNIST database (1998).
    Mnist,
    /// 60,000 articles of clothing of 28 by 28 pixels (Xiao et al., arXiv 1708.07747).
    FashionMnist,
    /// 50,000 colour photographs of 32 by 32 pixels in 10 classes (Krizhevsky 2009).
    Cifar10,
    /// 50,000 colour photographs of 32 by 32 pixels in 100 classes (Krizhevsky 2009).
    Cifar100,
    /// 73,257 colour photographs of digits, 32 by 32 pixels (Netzer et al. 2011), cropped.
    Svhn,
    /// A folder `train` with a folder of PNG and JPEG files per class.
    ImageFolder,
}

impl SetName {
    /// Every set.
    pub const ALL: [Self; 7] = [
        Self::Digits,
        Self::Mnist,
        Self::FashionMnist,
        Self::Cifar10,
        Self::Cifar100,
        Self::Svhn,
        Self::ImageFolder,
    ];

    /// Name in the spec, and of the set's folder.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Svhn => "svhn",
            Self::ImageFolder => "image-folder",
        }
    }

    /// Shape and number of the training images of an official set; none for a folder of images.
    pub fn facts(self) -> Option<(Shape, usize)> {
        let shape = |channels, side, classes| Shape { channels, height: side, width: side, classes };
        match self {
            Self::Digits => Some((shape(1, 8, 10), 1797)),
            Self::Mnist | Self::FashionMnist => Some((shape(1, 28, 10), 60_000)),
            Self::Cifar10 => Some((shape(3, 32, 10), 50_000)),
            Self::Cifar100 => Some((shape(3, 32, 100), 50_000)),
            Self::Svhn => Some((shape(3, 32, 10), 73_257)),
            Self::ImageFolder => None,
        }
    }

    /// Folder inside of the official archive.
    pub(crate) fn archive_folder(self) -> Option<&'static str> {
        match self {
            Self::Cifar10 => Some("cifar-10-batches-bin"),
            Self::Cifar100 => Some("cifar-100-binary"),
            _ => None,
        }
    }

    /// What to do when the files are missing.
    pub(crate) fn remedy(self) -> String {
        match self {
            Self::FashionMnist | Self::Cifar10 => format!("get it with `ops/data.sh {self}`"),
            Self::ImageFolder => "set `data.path` to a folder that holds train/CLASS/*.png or *.jpg".into(),
            _ => {
                let files = self.files().iter().map(|file| file.name).collect::<Vec<_>>().join(", ");
                format!("put the official files there ({files})")
            }
        }
    }

    /// The official training files, in the order in which they are read. Sizes and the SHA-256 of the Fashion-MNIST
    /// and CIFAR-10 files are measured. Those of MNIST are of the decompressed files, as many projects publish them; the MD5 of
    /// SVHN's file is the one of torchvision. For CIFAR-100's binary version nobody publishes one: see `cifar::check_classes`.
    pub(crate) fn files(self) -> &'static [Official] {
        const CIFAR10_BATCH: u64 = 10_000 * 3073;
        match self {
            Self::Digits | Self::ImageFolder => &[],
            Self::Mnist => &[
                Official {
                    name: "train-images-idx3-ubyte",
                    size: 47_040_016,
                    checksum: Some(Checksum::Sha256(
                        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                    )),
                },
                Official {
                    name: "train-labels-idx1-ubyte",
                    size: 60_008,
                    checksum: Some(Checksum::Sha256(
                        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                    )),
                },
            ],
            Self::FashionMnist => &[
                Official {
                    name: "train-images-idx3-ubyte",
                    size: 47_040_016,
                    checksum: Some(Checksum::Sha256(
                        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                    )),
                },
                Official {
                    name: "train-labels-idx1-ubyte",
                    size: 60_008,
                    checksum: Some(Checksum::Sha256(
                        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                    )),
                },
            ],
            Self::Cifar10 => &[
                Official {
                    name: "data_batch_1.bin",
                    size: CIFAR10_BATCH,
                    checksum: Some(Checksum::Sha256(
                        "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
                    )),
                },
                Official {
                    name: "data_batch_2.bin",
                    size: CIFAR10_BATCH,
                    checksum: Some(Checksum::Sha256(
                        "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
                    )),
                },
                Official {
                    name: "data_batch_3.bin",
                    size: CIFAR10_BATCH,
                    checksum: Some(Checksum::Sha256(
                        "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
                    )),
                },
                Official {
                    name: "data_batch_4.bin",
                    size: CIFAR10_BATCH,
                    checksum: Some(Checksum::Sha256(
                        "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
                    )),
                },
                Official {
                    name: "data_batch_5.bin",
                    size: CIFAR10_BATCH,
                    checksum: Some(Checksum::Sha256(
                        "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
                    )),
                },
            ],
            Self::Cifar100 => &[Official { name: "train.bin", size: 50_000 * 3074, checksum: None }],
            Self::Svhn => &[Official {
                name: "train_32x32.mat",
                size: 182_040_794,
                checksum: Some(Checksum::Md5("e26dedcc434d2e4c54c9b2d4a06d8373")),
            }],
        }
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

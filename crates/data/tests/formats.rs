//! Files of every format, written here or by the tools named, read back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::path::Path;

use data::{DataError, DataSpec, Places, SetName};
use flate2::{Compression, write::GzEncoder};

fn spec(set: SetName) -> DataSpec {
    DataSpec::new(set)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An IDX file of unsigned bytes.
fn idx(dimensions: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dimensions.len() as u8];
    file.extend(dimensions.iter().flat_map(|n| n.to_be_bytes()));
    file.extend(bytes);
    file
}

/// The error of loading `set` from `folder`, as one line.
fn error(set: SetName, folder: &Path) -> String {
    match spec(set).load_from(&Places::only([folder.to_owned()])) {
        Ok(split) => panic!("{set} was read: {split:?}"),
        Err(error) => error.to_string(),
    }
}

/// What is not the official file is refused, at best with the place where it differs.
#[test]
fn mnist_plain_and_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let mnist = folder.path().join("mnist");
    fs::create_dir(&mnist).unwrap();
    let pixels: Vec<u8> = (0..60_000 * 784_u32).map(|i| (i / 784 % 251) as u8).collect();
    let labels: Vec<u8> = (0..60_000_u32).map(|i| (i % 10) as u8).collect();
    let images = idx(&[60_000, 28, 28], &pixels);
    fs::write(mnist.join("train-images-idx3-ubyte"), &images).unwrap();
    fs::write(mnist.join("train-labels-idx1-ubyte.gz"), gzip(&idx(&[60_000], &labels))).unwrap();
    let random = |length: usize| (0..length).map(|i| (i * i % 251 + 1) as u8).collect::<Vec<_>>();
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("images-idx3-ubyte", images.clone(), "damaged: its SHA-256 is cb7fdc2b"),
        ("images-idx3-ubyte", random(images.len()), "which differs from byte 0 on"),
        ("images-idx3-ubyte", images[..1000].to_vec(), "damaged: expected 47040016 bytes, found 1000"),
        (
            "images-idx3-ubyte",
            [&images[..], &[0]].concat(),
            "damaged: expected 47040016 bytes, found 47040017",
        ),
        (
            "images-idx3-ubyte",
            idx(&[28, 28, 60_000], &pixels),
            "damaged: expected an IDX header for [60000, 28, 28]",
        ),
        (
            "labels-idx1-ubyte.gz",
            gzip(&idx(&[60_000], &vec![10; 60_000])),
            "damaged: expected labels below 10, found 10 for image 0, at byte 8",
        ),
    ];
    for (name, bytes, expected) in cases {
        let path = mnist.join(format!("train-{name}"));
        let before = fs::read(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let found = error(SetName::Mnist, folder.path());
        assert!(found.contains(&path.display().to_string()) && found.contains(expected), "{found}");
        fs::write(&path, before).unwrap();
    }
}

#[test]
fn broken_compression_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("mnist")).unwrap();
    let path = folder.path().join("mnist/train-images-idx3-ubyte.gz");
    let whole = gzip(&idx(&[60_000, 28, 28], &vec![7; 60_000 * 784]));
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let found = error(SetName::Mnist, folder.path());
    assert!(found.contains("expected 47040016 bytes after decompression, found "), "{found}");

    let mut flipped = whole;
    let checksum = flipped.len() - 6;
    flipped[checksum] ^= 1;
    fs::write(&path, flipped).unwrap();
    let found = error(SetName::Mnist, folder.path());
    assert!(found.contains("is damaged"), "{found}");
}

#[test]
fn missing_files_say_where_and_how() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let found = error(SetName::FashionMnist, folder.path());
    assert!(
        found.contains(&format!("`{place}/fashion-mnist`")) && found.contains("ops/data.sh fashion-mnist"),
        "{found}"
    );
    let found = error(SetName::Cifar100, folder.path());
    assert!(
        found.contains(&format!("`{place}/cifar100/cifar-100-binary`")) && found.contains("train.bin"),
        "{found}"
    );

    fs::create_dir(folder.path().join("cifar10")).unwrap();
    fs::write(folder.path().join("cifar10/data_batch_1.bin"), [0; 3073]).unwrap();
    let found = error(SetName::Cifar10, folder.path());
    assert!(found.contains("data_batch_1.bin` is damaged: expected 30730000 bytes, found 3073"), "{found}");
    fs::write(folder.path().join("cifar10/data_batch_1.bin"), vec![0; 30_730_000]).unwrap();
    let found = error(SetName::Cifar10, folder.path());
    assert!(found.contains("its SHA-256 is") && found.contains("cee91656"), "{found}");
}

#[test]
fn cifar100_takes_the_fine_label() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("cifar100/cifar-100-binary");
    fs::create_dir_all(&inner).unwrap();
    let record = |i: u32| {
        let planes = [i as u8, 100, 200].map(|value| [value; 1024]).concat();
        [vec![(i % 20) as u8, (i % 100) as u8], planes].concat()
    };
    fs::write(inner.join("train.bin"), (0..50_000).flat_map(record).collect::<Vec<u8>>()).unwrap();
    let dataset = spec(SetName::Cifar100).dataset(&Places::only([folder.path().to_owned()])).unwrap();
    assert_eq!((dataset.len(), dataset.labels[77]), (50_000, 77));
    assert_eq!((dataset.image(77)[0], dataset.image(77)[1024], dataset.image(77)[3071]), (77, 100, 200));

    let file = inner.join("train.bin");
    let whole = fs::read(&file).unwrap();
    let mut changed = whole;
    changed[3 * 3074 + 1] = 200;
    fs::write(&file, changed).unwrap();
    let found = error(SetName::Cifar100, folder.path());
    let expected = "image 3, at byte 9223: expected a label below 100, found 200";
    assert!(found.contains("train.bin` is damaged: ") && found.contains(expected), "{found}");
}

#[test]
fn image_folder_sorts_scales_and_converts() {
    let folder = tempfile::tempdir().unwrap();
    let colours = [("cat", [255, 0, 0]), ("dog", [0, 0, 255])];
    for (class, colour) in colours {
        let class = folder.path().join("pets/train").join(class);
        fs::create_dir_all(&class).unwrap();
        for name in ["b.png", "a.jpg"] {
            image::RgbImage::from_pixel(20, 10, image::Rgb(colour)).save(class.join(name)).unwrap();
        }
        fs::write(class.join("notes.txt"), "no image").unwrap();
    }
    let mut spec = spec(SetName::ImageFolder);
    spec.path = Some("pets".into());
    (spec.size, spec.channels, spec.classes) = (Some(4), Some(3), Some(2));
    let places = Places::only([folder.path().to_owned()]);
    let dataset = spec.dataset(&places).unwrap();
    assert_eq!(dataset.labels, [0, 0, 1, 1]);
    assert_eq!(dataset.image(1)[..17], [[255; 16].as_slice(), &[0]].concat(), "the PNG comes after the JPEG");
    assert_eq!(dataset.image(3)[32..], [255; 16], "the blue plane is the last");
    spec.channels = Some(1);
    assert_eq!(spec.dataset(&places).unwrap().image(1), [54; 16], "luminance of pure red, ITU-R BT.709");

    spec.classes = Some(3);
    let found = spec.dataset(&places).unwrap_err().to_string();
    assert!(
        found.contains("`data.classes`, which is 3, but") && found.contains("holds 2 folders"),
        "{found}"
    );
    spec.classes = Some(2);
    let broken = folder.path().join("pets/train/cat/c.png");
    fs::write(&broken, b"\x89PNG\r\n\x1a\nand no more").unwrap();
    let found = spec.dataset(&places).unwrap_err();
    assert!(matches!(found, DataError::Format { ref path, .. } if *path == broken), "{found}");
}

/// Where the sets are on this machine, they are the official ones.
#[test]
fn official_sets_where_present() {
    // Per-channel means of all training images: of Fashion-MNIST and CIFAR-10 as commonly published.
    let cases = [
        (SetName::FashionMnist, 60_000, vec![0.2860]),
        (SetName::Cifar10, 50_000, vec![0.4914, 0.4822, 0.4465]),
    ];
    for (set, count, means) in cases {
        let mut spec = spec(set);
        spec.validation = Some(10);
        match spec.load() {
            Ok(split) => {
                assert_eq!(split.train.len(), count - 10);
                for (mean, expected) in split.mean.iter().zip(means) {
                    assert!((mean - expected).abs() < 2e-4, "{set}: {mean} instead of {expected}");
                }
            }
            Err(DataError::Missing { .. }) => println!("skipped {set}: not on this machine"),
            Err(error) => panic!("{error}"),
        }
    }
}

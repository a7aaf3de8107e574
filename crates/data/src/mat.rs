//! The numeric arrays of a MATLAB 5 file (MathWorks, "MAT-File Format"): a header of 128 bytes, then elements. Each has a type, a
//! length, and so many bytes up to a multiple of eight; a compressed one holds another.

use std::io::Read as _;

use flate2::read::ZlibDecoder;

/// Types of elements.
const INT8: u32 = 1;
const UINT8: u32 = 2;
const INT16: u32 = 3;
const UINT16: u32 = 4;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const DOUBLE: u32 = 9;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
/// Most bytes of a compressed array: those of SVHN's training images are 215 MiB.
const MOST: u64 = 1 << 28;

/// An array of numbers, column-major.
#[derive(Debug)]
pub(crate) struct Array {
    pub name: String,
    pub size: Vec<usize>,
    pub numbers: Numbers,
}

/// Numbers as they are written: MATLAB writes whole ones in whatever type holds them.
#[derive(Debug)]
pub(crate) enum Numbers {
    Bytes(Vec<u8>),
    Wide(Vec<f64>),
}

/// All real numeric arrays of a file; what is cut off is left out.
pub(crate) fn arrays(file: &[u8]) -> Result<Vec<Array>, String> {
    let Some(mut rest) = file.get(128..).filter(|_| &file[124..128] == b"\x00\x01IM") else {
        return Err("not a MATLAB 5 file of little-endian numbers".to_owned());
    };
    let mut arrays = vec![];
    while let Some((kind, content)) = element(&mut rest) {
        match kind {
            MATRIX => arrays.extend(array(content)?),
            COMPRESSED => {
                let mut bytes = vec![];
                let read = ZlibDecoder::new(content).take(MOST + 1).read_to_end(&mut bytes);
                read.map_err(|error| format!("a compressed array: {error}"))?;
                if bytes.len() as u64 > MOST {
                    return Err(format!("a compressed array of more than {MOST} bytes"));
                }
                if let Some((MATRIX, content)) = element(&mut bytes.as_slice()) {
                    arrays.extend(array(content)?);
                }
            }
            _ => {}
        }
    }
    Ok(arrays)
}

/// Type and content of the next element; none at the end, or where it is cut off.
fn element<'a>(rest: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    let (tag, after) = rest.split_first_chunk()?;
    let tag = u32::from_le_bytes(*tag);
    if tag >> 16 != 0 {
        // A small one: its length is in its type, and four bytes are in its place.
        let (content, after) = after.split_at_checked(4)?;
        *rest = after;
        return Some((tag & 0xffff, content.get(..(tag >> 16) as usize)?));
    }
    let (length, after) = after.split_first_chunk()?;
    let length = u32::from_le_bytes(*length) as usize;
    let (content, after) = after.split_at_checked(length)?;
    let padding = if tag == COMPRESSED { 0 } else { length.next_multiple_of(8) - length };
    *rest = after.get(padding..).unwrap_or_default();
    Some((tag, content))
}

/// An array of numbers; none for text, structures and other arrays.
fn array(mut content: &[u8]) -> Result<Option<Array>, String> {
    let mut part = |allowed: u32, what: &str| {
        let part = element(&mut content).filter(|(kind, _)| allowed == 0 || *kind == allowed);
        part.ok_or_else(|| format!("an array without {what}"))
    };
    let (_, flags) = part(UINT32, "flags")?;
    let (_, size) = part(INT32, "size")?;
    let (_, name) = part(INT8, "name")?;
    // From double, 6, to unsigned 64 bits, 15.
    if !flags.first().is_some_and(|class| (6..=15).contains(class)) {
        return Ok(None);
    }
    let name = String::from_utf8_lossy(name).into_owned();
    let (kind, content) = part(0, "numbers")?;
    let numbers = numbers(kind, content).ok_or_else(|| format!("array `{name}` is of type {kind}"))?;
    let sides: Vec<i32> = chunks(size, i32::from_le_bytes).collect();
    let size: Option<Vec<usize>> = sides.iter().map(|side| usize::try_from(*side).ok()).collect();
    let count = match &numbers {
        Numbers::Bytes(numbers) => numbers.len(),
        Numbers::Wide(numbers) => numbers.len(),
    };
    let product =
        |size: &Vec<usize>| size.iter().try_fold(1_usize, |product, side| product.checked_mul(*side));
    match size {
        Some(size) if product(&size) == Some(count) => Ok(Some(Array { name, size, numbers })),
        _ => Err(format!("array `{name}` of {sides:?} has {count} numbers")),
    }
}

fn numbers(kind: u32, content: &[u8]) -> Option<Numbers> {
    Some(Numbers::Wide(match kind {
        UINT8 => return Some(Numbers::Bytes(content.to_vec())),
        INT8 => chunks(content, i8::from_le_bytes).map(f64::from).collect(),
        INT16 => chunks(content, i16::from_le_bytes).map(f64::from).collect(),
        UINT16 => chunks(content, u16::from_le_bytes).map(f64::from).collect(),
        INT32 => chunks(content, i32::from_le_bytes).map(f64::from).collect(),
        UINT32 => chunks(content, u32::from_le_bytes).map(f64::from).collect(),
        DOUBLE => chunks(content, f64::from_le_bytes).collect(),
        _ => return None,
    }))
}

fn chunks<const N: usize, T>(content: &[u8], of: fn([u8; N]) -> T) -> impl Iterator<Item = T> {
    content.as_chunks().0.iter().map(move |chunk| of(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_no_array_has_are_refused() {
        let array = |size: [i32; 2], count: usize| {
            let tag = |kind: u32, length: usize| [kind.to_le_bytes(), (length as u32).to_le_bytes()].concat();
            let mut content = [tag(UINT32, 8), vec![9, 0, 0, 0, 0, 0, 0, 0], tag(INT32, 8)].concat();
            content.extend(size.iter().flat_map(|side| side.to_le_bytes()));
            content.extend(
                [tag(INT8, 1), b"X\0\0\0\0\0\0\0".to_vec(), tag(UINT8, count), vec![0; count]].concat(),
            );
            let mut file = [vec![b' '; 124], b"\x00\x01IM".to_vec(), tag(MATRIX, content.len())].concat();
            file.extend(content);
            arrays(&file)
        };
        assert_eq!(array([2, 3], 6).unwrap()[0].size, [2, 3]);
        for size in [[2, 4], [-2, -3], [i32::MAX, i32::MAX], [0, 6]] {
            let error = array(size, 6).unwrap_err();
            assert_eq!(error, format!("array `X` of {size:?} has 6 numbers"));
        }
    }
}

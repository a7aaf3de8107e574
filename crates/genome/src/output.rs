use crate::{Layer, Shape, shape::LARGEST};

/// Shape that `layer` makes of its inputs, or what it would need.
pub(crate) fn output(layer: Layer, inputs: &[Shape]) -> Result<Shape, String> {
    let shape = match (layer, inputs) {
        (Layer::Sum | Layer::Concat, _) => joined(layer, inputs)?,
        (Layer::Relu | Layer::Dropout { .. } | Layer::DropPath, &[shape]) => shape,
        (Layer::Linear { in_features, out_features }, &[Shape::Flat { features }])
            if features == in_features =>
        {
            Shape::Flat { features: out_features }
        }
        (Layer::BatchNorm { channels: expected }, &[map @ Shape::Map { channels, .. }])
            if channels == expected =>
        {
            map
        }
        (Layer::GlobalAvgPool, &[Shape::Map { channels, .. }]) => Shape::Flat { features: channels },
        (Layer::Flatten, &[map @ Shape::Map { .. }]) => {
            let features = u32::try_from(map.len()).map_err(|_| "a vector of less than 2^32".to_owned())?;
            Shape::Flat { features }
        }
        (_, &[Shape::Map { channels, height, width }]) => {
            let channels = windowed_channels(layer, channels)?;
            Shape::Map { channels, height: windows(layer, height)?, width: windows(layer, width)? }
        }
        _ => return Err(format!("{layer:?} takes another number or shape of inputs")),
    };
    match shape {
        _ if shape.is_empty() => Err("its output would be empty".into()),
        Shape::Map { channels, height, width } if channels.max(height).max(width) > LARGEST => {
            Err(format!("its output would be {shape}, the most is {LARGEST} along each axis"))
        }
        _ => Ok(shape),
    }
}

/// Channels that leave a layer with a sliding window.
fn windowed_channels(layer: Layer, channels: u32) -> Result<u32, String> {
    match layer {
        Layer::Conv { in_channels, .. } if in_channels != channels => {
            Err(format!("{in_channels} channels are needed"))
        }
        Layer::Conv { out_channels, .. } if out_channels > LARGEST => {
            Err(format!("at most {LARGEST} filters"))
        }
        Layer::Conv { out_channels, .. } => Ok(out_channels),
        _ => Ok(channels),
    }
}

/// Positions of a layer's window along a side of `size`.
fn windows(layer: Layer, size: u32) -> Result<u32, String> {
    let (kernel, stride, padding, ceil) = match layer {
        Layer::Conv { kernel, stride, padding, .. } => (kernel, stride, padding, false),
        Layer::MaxPool { kernel, stride, padding, ceil } if padding <= kernel / 2 => {
            (kernel, stride, padding, ceil)
        }
        Layer::AvgPool { kernel, stride } => (kernel, stride, 0, false),
        _ => return Err(format!("{layer:?} takes another shape")),
    };
    if stride == 0 || [kernel, stride, padding].iter().any(|&n| n > LARGEST) {
        return Err(format!("kernel {kernel}, stride {stride} and padding {padding} make no window"));
    }
    let padded = size + 2 * padding;
    if kernel == 0 || kernel > padded {
        return Err(format!("a window of {kernel} needs a side of {kernel}, there are {padded}"));
    }
    let free = padded - kernel;
    let floor = free / stride + 1;
    // A window beyond the last complete one counts unless it would start in the padding behind the map.
    let extra = ceil && !free.is_multiple_of(stride) && floor * stride < size + padding;
    Ok(floor + u32::from(extra))
}

/// Shape of several inputs summed or concatenated.
fn joined(layer: Layer, inputs: &[Shape]) -> Result<Shape, String> {
    let first = *inputs.first().ok_or("at least one input")?;
    if layer == Layer::Sum {
        return if inputs.iter().all(|&s| s == first) {
            Ok(first)
        } else {
            Err("equal shapes are needed".into())
        };
    }
    let mut total = 0;
    for &input in inputs {
        match (input, first) {
            (Shape::Map { channels, height: h, width: w }, Shape::Map { height, width, .. })
                if h == height && w == width =>
            {
                total += channels;
            }
            _ => return Err("maps of equal sides are needed".into()),
        }
    }
    match first {
        Shape::Map { height, width, .. } => Ok(Shape::Map { channels: total, height, width }),
        Shape::Flat { .. } => Err("maps are needed".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: Shape = Shape::Map { channels: 4, height: 6, width: 5 };
    const WIDE: Shape = Shape::Map { channels: 9, height: 6, width: 5 };
    const TALL: Shape = Shape::Map { channels: 4, height: 7, width: 5 };
    const FLAT: Shape = Shape::Flat { features: 4 };

    #[test]
    fn inputs_are_joined_if_they_match() {
        let table = [
            (Layer::Sum, vec![MAP, MAP], Ok(MAP)),
            (Layer::Sum, vec![FLAT, FLAT], Ok(FLAT)),
            (Layer::Sum, vec![MAP, WIDE], Err("equal shapes are needed")),
            (Layer::Sum, vec![], Err("at least one input")),
            (Layer::Concat, vec![MAP, WIDE], Ok(Shape::Map { channels: 13, height: 6, width: 5 })),
            (Layer::Concat, vec![MAP, TALL], Err("maps of equal sides are needed")),
            (Layer::Concat, vec![FLAT, FLAT], Err("maps of equal sides are needed")),
        ];
        for (layer, inputs, expected) in table {
            assert_eq!(output(layer, &inputs), expected.map_err(str::to_owned), "{layer:?} of {inputs:?}");
        }
    }

    #[test]
    fn layers_take_one_input_of_their_shape() {
        let linear = Layer::Linear { in_features: 4, out_features: 2 };
        assert_eq!(output(linear, &[FLAT]), Ok(Shape::Flat { features: 2 }));
        assert_eq!(output(Layer::Flatten, &[MAP]), Ok(Shape::Flat { features: 120 }));
        assert_eq!(output(Layer::GlobalAvgPool, &[WIDE]), Ok(Shape::Flat { features: 9 }));
        for (layer, input) in [(linear, MAP), (Layer::Flatten, FLAT), (Layer::BatchNorm { channels: 3 }, MAP)]
        {
            assert!(output(layer, &[input]).is_err(), "{layer:?} of {input}");
        }
        assert!(output(Layer::Relu, &[MAP, MAP]).is_err());
    }

    /// PyTorch's rule for incomplete windows: they count with `ceil`, unless they start in the padding.
    #[test]
    fn pools_count_incomplete_windows_with_ceil() {
        let side = |side, [kernel, stride, padding]: [u32; 3], ceil| {
            windows(Layer::MaxPool { kernel, stride, padding, ceil }, side)
        };
        assert_eq!(side(6, [3, 2, 0], false), Ok(2));
        assert_eq!(side(6, [3, 2, 0], true), Ok(3));
        assert_eq!(side(7, [3, 2, 0], true), Ok(3));
        assert_eq!(side(5, [2, 2, 1], false), Ok(3));
        // (5 + 2 - 2) / 2 + 1 = 3.5, but a fourth window would start at 6, behind the map and its first padding.
        assert_eq!(side(5, [2, 2, 1], true), Ok(3));
        assert_eq!(side(4, [2, 3, 1], true), Ok(2));
        assert!(side(6, [3, 2, 2], true).is_err());
    }
}

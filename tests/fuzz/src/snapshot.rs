//! What an engine has learned, as the database keeps it.

use predictor::Calibration;

/// A snapshot that is understood is written the same. Its numbers are taken as they are: an engine is not asked with them.
pub fn check(data: &[u8]) {
    let Ok(calibration) = Calibration::from_bytes(data) else { return };
    let bytes = calibration.to_bytes().expect("memory");
    let again = Calibration::from_bytes(&bytes).expect("it was written by this version");
    assert_eq!(again.to_bytes().expect("memory"), bytes);
}

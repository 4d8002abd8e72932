//! Every code a finding may carry: the one table behind messages, `picket check` and its documentation.

use std::fmt;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The settings do not come into force.
    Error,
    /// They do; somebody should know.
    Warning,
}

impl Level {
    /// The word in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
        }
    }
}

macro_rules! codes {
    ($($name:ident = $number:literal, $level:ident, $meaning:literal;)*) => {
        /// What kind of finding it is. A number is never given to another meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// The whole table, by number.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// The number behind `PK-`.
            pub fn number(self) -> u16 {
                match self { $(Code::$name => $number),* }
            }

            /// Whether it keeps the settings from coming into force.
            pub fn level(self) -> Level {
                match self { $(Code::$name => Level::$level),* }
            }

            /// What it says of any site.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$name => $meaning),* }
            }
        }
    };
}

codes! {
    FileMissing = 101, Error, "a file that is needed is not there";
    FileUnreadable = 102, Error, "a file or folder cannot be read";
    FileTooLarge = 103, Error, "a file is larger than its limit";
    NotUtf8 = 104, Error, "a file is not UTF-8 text";
    Syntax = 105, Error, "a file is not TOML";
    SecretOpen = 106, Error, "a file with a secret can be read by other users";
    SecretEmpty = 107, Error, "a file with a secret does not hold one line of text";
    TwoRegisters = 108, Error, "the register is there twice";
    BadPaper = 109, Error, "a file with certificates or a key that cannot be used";
    WrongFormat = 110, Error, "a file of another format than a register may have";
    UnknownKey = 201, Error, "a key that does not exist";
    MissingKey = 202, Error, "a key that is needed is not there";
    WrongType = 203, Error, "a value of the wrong type";
    OutOfRange = 204, Error, "a number outside its range";
    UnknownWord = 205, Error, "a word outside its list";
    BadText = 206, Error, "a text that is empty, too long or has forbidden characters";
    BadName = 207, Error, "a name against the rule for names";
    BadEndpoint = 208, Error, "a host, broker or listen address that cannot be read";
    StrayKey = 209, Error, "a key that does not belong to this kind of line or device";
    DuplicateLine = 301, Error, "two lines of one name";
    SharedEndpoint = 302, Error, "two lines at one port or endpoint";
    ReaderAlone = 303, Error, "a seal reader's line without its device";
    TooMany = 304, Error, "more lines, devices or profiles than one gateway carries";
    IdleLine = 305, Warning, "a line that no device uses";
    UnstablePort = 306, Warning, "a serial port whose name changes when it is plugged elsewhere";
    DuplicateDevice = 401, Error, "two devices of one name";
    UnknownLine = 402, Error, "a device on a line that does not exist";
    UnknownProfile = 403, Error, "a device with a profile that does not exist";
    WrongLineKind = 404, Error, "a device on a line of the wrong kind";
    UnitTwice = 405, Error, "two devices with one unit id on one line";
    ReaderTwice = 406, Error, "two devices on the line of a seal reader";
    PatienceTooLong = 407, Error, "a device is waited for longer than it is polled";
    SilenceTooShort = 408, Error, "a device would count as silent between two polls";
    PrefixTwice = 409, Error, "two devices with one topic at one broker";
    BadEquipmentId = 410, Error, "a text that is no equipment id";
    UnknownPoint = 411, Error, "a binding of a point that the profile does not have";
    PointTwice = 412, Error, "a point bound twice";
    WrongSignal = 413, Error, "a signal that its point cannot tell";
    SameEquipment = 414, Warning, "two devices that are the same equipment";
    WrongDelay = 415, Error, "a time for a signal that has none";
    Unrecorded = 416, Error, "a device whose messages are acknowledged, but whose events nothing would record";
    BadProfile = 501, Error, "a profile that cannot be used";
    ProfileName = 502, Error, "a profile whose name is not that of its file";
    RegisterRow = 601, Error, "a row of the register with a wrong field";
    RegisterField = 602, Error, "a field that registers do not have";
    RegisterSize = 603, Error, "a register of too many rows";
    Unlisted = 604, Warning, "equipment that the register does not list";
    RegisterEmpty = 605, Warning, "a register without equipment";
    Formula = 606, Error, "a formula where a value belongs";
    UnclearDate = 607, Error, "a date whose day and month are not certain";
    ForeignWord = 608, Error, "a word of another system that nobody has translated";
    LostDigits = 609, Error, "a number whose digits a spreadsheet has dropped";
    Unwatched = 610, Warning, "a measuring point of the register that no device of the settings gives";
    BadCsv = 651, Error, "a file that is not CSV";
    BadColumns = 652, Error, "columns that are missing or there twice";
    BadWorkbook = 653, Error, "a workbook that cannot be read";
    BadMap = 654, Error, "a map of columns and words that cannot be used";
    BadCertificate = 655, Error, "a file that is no digital calibration certificate";
    ManifestRow = 701, Error, "a row of the manifest with a wrong field";
    SealTwice = 702, Error, "a seal that is on the manifest twice";
    CheckDigit = 703, Warning, "a container number with a wrong check digit";
    UnknownReader = 704, Warning, "a manifest row for a reader that the settings do not have";
    OpenConsole = 801, Warning, "the guards' page can be reached from other machines";
    ClearPassword = 802, Warning, "a password travels a network unencrypted";
    UnsynchronisedClock = 803, Warning, "dates are judged by a clock that nobody sets";
    Loosened = 804, Error, "a label or ceiling looser than the default that is not named as such";
}

impl Code {
    /// From `PK-0107`, `pk-107` or `107`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
        let number: u16 = digits.parse().ok()?;
        Self::ALL.iter().find(|code| code.number() == number).copied()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PK-{:04}", self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_rise_and_are_read_back() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
        for code in Code::ALL {
            assert_eq!(Code::parse(&code.to_string()), Some(*code));
        }
        assert_eq!(Code::parse("PK-9999"), None);
    }
}

//! Dates as tables of others write them. Which of two numbers is the month is never guessed: the order is said, or the date
//! is refused with both readings.

use super::values::Unclear;
use crate::settings::codes::Code;
use jiff::civil::Date;

/// The order of day, month and year in dates of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    /// 31/12/2026
    DayMonthYear,
    /// 12/31/2026
    MonthDayYear,
    /// 2026/12/31
    YearMonthDay,
}

impl DateOrder {
    /// Every one with its word.
    pub const ALL: &'static [(&'static str, DateOrder)] =
        &[("dmy", Self::DayMonthYear), ("mdy", Self::MonthDayYear), ("ymd", Self::YearMonthDay)];

    /// From the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(word, _)| *word == text).map(|(_, order)| *order)
    }

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, order)| *order == self).map_or("", |(word, _)| word)
    }

    /// The day that three numbers are in this order; the year has four digits.
    fn day(self, parts: [&str; 3]) -> Option<Date> {
        let [year, month, day] = match self {
            Self::DayMonthYear => [parts[2], parts[1], parts[0]],
            Self::MonthDayYear => [parts[2], parts[0], parts[1]],
            Self::YearMonthDay => parts,
        };
        if year.len() != 4 {
            return None;
        }
        Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
    }
}

/// First and last day numbers of a spreadsheet that are taken for dates: 1990-01-01 and 2079-12-31.
const DAY_NUMBERS: std::ops::RangeInclusive<u32> = 32_874..=65_744;

/// `YYYY-MM-DD` of a date that is certain. What is no date at all goes on as it is: the register says what is wrong with it.
pub(super) fn read(text: &str, order: Option<DateOrder>) -> Result<String, Unclear> {
    if let Some(day) = midnight(text) {
        return Ok(day);
    }
    if let Some(number) = text.parse::<u32>().ok().filter(|number| DAY_NUMBERS.contains(number)) {
        let cause = format!("{number} is the number by which a spreadsheet counts a day, no date");
        let remedy = "give the column the number format Date (YYYY-MM-DD), and export again";
        return Err(Unclear::one(Code::UnclearDate, cause, remedy));
    }
    let Some(parts) = numbers(text) else { return Ok(text.to_owned()) };
    match order {
        Some(order) => order.day(parts).map(|day| day.to_string()).ok_or_else(|| unfit(text, parts, order)),
        None => Err(unsaid(text, parts)),
    }
}

/// A day that is written with the time of its beginning, as databases export it.
fn midnight(text: &str) -> Option<String> {
    let (day, time) = text.split_at_checked(10)?;
    let time = time.strip_prefix(['T', ' '])?;
    let is_midnight = ["00:00", "00:00:00", "00:00:00.0", "00:00:00.000"].contains(&time);
    day.parse::<Date>().ok().filter(|_| is_midnight).map(|day| day.to_string())
}

/// Three numbers with the same mark between them; ISO dates are none, because their order is known.
fn numbers(text: &str) -> Option<[&str; 3]> {
    let mark = ['/', '.', '-'].into_iter().find(|mark| text.matches(*mark).count() == 2)?;
    let mut parts = text.split(mark).map(str::trim);
    let parts = [parts.next()?, parts.next()?, parts.next()?];
    let is_number = |part: &&str| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_iso = mark == '-' && parts[0].len() == 4;
    (!is_iso && parts.iter().all(is_number)).then_some(parts)
}

fn readings(parts: [&str; 3]) -> Vec<(DateOrder, Date)> {
    DateOrder::ALL.iter().filter_map(|(_, order)| Some((*order, order.day(parts)?))).collect()
}

fn unsaid(text: &str, parts: [&str; 3]) -> Unclear {
    let found = readings(parts);
    let said = "say the order that the whole file has: --date-order dmy, mdy or ymd; or write dates as YYYY-MM-DD";
    let (cause, group) = match found.as_slice() {
        [(_, one), (_, other), ..] if one != other => {
            (format!("{text} is {} or {}: the order of day and month is not said", long(*one), long(*other)), true)
        }
        [(_, one), ..] => (format!("{text} may be {}, but the order of day and month is not said", long(*one)), true),
        [] => (format!("{text} is no day in any order{}", two_digits(parts)), false),
    };
    let remedy = if group { said } else { "write it as YYYY-MM-DD" };
    Unclear { code: Code::UnclearDate, cause, remedy: remedy.to_owned(), group: group.then(|| "order".to_owned()) }
}

fn unfit(text: &str, parts: [&str; 3], order: DateOrder) -> Unclear {
    let other = readings(parts).first().map_or(String::new(), |(other, day)| {
        format!("; as {} it would be {}: the file mixes orders", other.as_str(), long(*day))
    });
    let cause = format!("{text} is no day in the order {}{}{other}", order.as_str(), two_digits(parts));
    Unclear::one(Code::UnclearDate, cause, "write this date as YYYY-MM-DD")
}

fn two_digits(parts: [&str; 3]) -> &'static str {
    let has_year = parts.iter().any(|part| part.len() == 4);
    if has_year { "" } else { " (a year has four digits)" }
}

/// `4 March 2026`, which nobody misreads.
fn long(day: Date) -> String {
    day.strftime("%-d %B %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_whose_order_is_said_is_read() {
        let table = [
            ("03/04/2026", DateOrder::DayMonthYear, "2026-04-03"),
            ("03/04/2026", DateOrder::MonthDayYear, "2026-03-04"),
            ("3.4.2026", DateOrder::DayMonthYear, "2026-04-03"),
            ("2026/4/3", DateOrder::YearMonthDay, "2026-04-03"),
            ("13-04-2026", DateOrder::DayMonthYear, "2026-04-13"),
        ];
        for (text, order, wanted) in table {
            assert_eq!(read(text, Some(order)).ok().as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn an_iso_date_and_what_is_no_date_go_on_as_they_are() {
        for text in ["2026-03-04", "unknown", "next week", "2026-11-22T10:00:00Z", "04-Mar-2026", "2026-02-31"] {
            assert_eq!(read(text, None).ok().as_deref(), Some(text));
        }
        assert_eq!(read("2026-03-04T00:00:00", None).ok().as_deref(), Some("2026-03-04"));
        assert_eq!(read("2026-03-04 00:00", None).ok().as_deref(), Some("2026-03-04"));
    }

    #[test]
    fn a_date_that_is_not_certain_is_refused_with_its_readings() {
        let table = [
            ("03/04/2026", None, "03/04/2026 is 3 April 2026 or 4 March 2026: the order"),
            ("13/04/2026", None, "13/04/2026 may be 13 April 2026, but the order"),
            ("04/04/2026", None, "may be 4 April 2026, but"),
            ("31/31/2026", None, "no day in any order"),
            ("3/4/26", None, "no day in any order (a year has four digits)"),
            (
                "13/04/2026",
                Some(DateOrder::MonthDayYear),
                "in the order mdy; as dmy it would be 13 April 2026: the file mixes",
            ),
            ("30/02/2026", Some(DateOrder::DayMonthYear), "30/02/2026 is no day in the order dmy"),
            ("46093", None, "46093 is the number by which a spreadsheet counts a day"),
        ];
        for (text, order, wanted) in table {
            let told = read(text, order).expect_err(text).cause;
            assert!(told.contains(wanted), "{told}");
        }
    }
}

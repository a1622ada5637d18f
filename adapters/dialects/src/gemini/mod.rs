//! What Google's Gemini API says.

pub mod generate;

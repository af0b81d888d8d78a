//! Text to terms for BM25. Every result names the analyzer: figures of different ones do not compare.

use std::fmt;

/// What a subword tokenizer may report.
pub type SubwordError = Box<dyn std::error::Error + Send + Sync>;

/// A tokenizer that the caller brings: text to subwords, in order, without special tokens.
pub type SubwordTokenizer = Box<dyn Fn(&str) -> Result<Vec<String>, SubwordError> + Send + Sync>;

/// The tokenizer behind an analyzer failed.
#[derive(Debug, thiserror::Error)]
#[error("analyzer {analyzer} failed: {source}")]
pub struct AnalyzerError {
    /// Name of the analyzer.
    pub analyzer: String,
    /// What the tokenizer said.
    pub source: SubwordError,
}

/// How text becomes terms.
pub enum Analyzer {
    /// Lower-cased words between white space. A floor for Korean: particles stay glued to nouns.
    Whitespace,
    /// Every pair of neighbouring characters of the lower-cased text after all white space is
    /// removed, so pairs reach across words ("한국의 역사" gives 한국, 국의, 의역, 역사): Korean
    /// spacing varies, and this is blind to it. A text of one character gives that character.
    CharacterBigram,
    /// Subwords of a tokenizer, usually the sparse model's own.
    Subword {
        /// Name that results carry.
        name: String,
        /// The tokenizer.
        tokenizer: SubwordTokenizer,
    },
}

impl Analyzer {
    /// The name that results carry.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Whitespace => "whitespace",
            Self::CharacterBigram => "character-bigram",
            Self::Subword { name, .. } => name,
        }
    }

    /// The terms of a text, in order, repetitions kept.
    ///
    /// # Errors
    /// When the subword tokenizer fails; the others never do.
    pub fn terms(&self, text: &str) -> Result<Vec<String>, AnalyzerError> {
        match self {
            Self::Whitespace => Ok(text
                .to_lowercase()
                .split_whitespace()
                .map(str::to_owned)
                .collect()),
            Self::CharacterBigram => Ok(character_bigrams(text)),
            Self::Subword { name, tokenizer } => tokenizer(text).map_err(|source| AnalyzerError {
                analyzer: name.clone(),
                source,
            }),
        }
    }
}

impl fmt::Debug for Analyzer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Analyzer")
            .field(&self.name())
            .finish()
    }
}

fn character_bigrams(text: &str) -> Vec<String> {
    let characters: Vec<char> = text
        .to_lowercase()
        .chars()
        .filter(|character| !character.is_whitespace())
        .collect();
    match characters.as_slice() {
        [single] => vec![single.to_string()],
        several => several
            .windows(2)
            .map(|pair| pair.iter().collect())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(analyzer: &Analyzer, text: &str) -> Vec<String> {
        analyzer.terms(text).unwrap()
    }

    #[test]
    fn whitespace_splits_and_lower_cases() {
        let words = terms(&Analyzer::Whitespace, " 서울의\tRust\u{3000}서울의\n");
        assert_eq!(words, ["서울의", "rust", "서울의"]);
    }

    #[test]
    fn bigrams_reach_across_words() {
        let bigrams = |text| terms(&Analyzer::CharacterBigram, text);
        assert_eq!(bigrams("한국의 역사"), ["한국", "국의", "의역", "역사"]);
        assert_eq!(bigrams("A\nB"), ["ab"]);
        assert_eq!(bigrams(" 가 "), ["가"]);
        assert!(bigrams(" \n").is_empty());
    }

    #[test]
    fn subwords_come_from_the_tokenizer_and_so_do_its_errors() {
        let analyzer = Analyzer::Subword {
            name: "model".into(),
            tokenizer: Box::new(|text| match text {
                "" => Err("nothing to split".into()),
                text => Ok(text.split('-').map(str::to_owned).collect()),
            }),
        };
        assert_eq!(analyzer.name(), "model");
        assert_eq!(terms(&analyzer, "가-나"), ["가", "나"]);
        let error = analyzer.terms("").unwrap_err();
        assert_eq!(error.to_string(), "analyzer model failed: nothing to split");
    }
}

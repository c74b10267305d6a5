//! What all texts have in common that are validated when they are parsed: names of people, of packages, of kernels. Their rules
//! and the words of their errors are their own.

/// For a type that keeps its text in the field `$field` and is made by its own `FromStr`: reading it again, and the way from
/// and to `String` that serde takes, so that what comes from a file or a socket is validated like what is typed.
macro_rules! validated_text {
    ($name:ident, $error:ty, $field:tt) => {
        impl $name {
            /// The text, without blanks around it.
            pub fn as_str(&self) -> &str {
                &self.$field
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(validated: $name) -> Self {
                validated.$field
            }
        }
    };
}

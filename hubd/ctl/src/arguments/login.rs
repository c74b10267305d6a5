//! The command line of `hubctl login`.

use clap::Subcommand;
use hub_core::accounts::Username;
use hub_core::config::LoginName;

#[derive(Debug, Subcommand)]
pub(crate) enum LoginVerb {
    /// List your institution's logins, and which account belongs to which person
    #[command(after_help = "Example:
  sudo hubctl login list")]
    List,
    /// Check a login and say what is wrong with it, before anybody tries it
    #[command(
        after_help = "Checks from where the hub itself connects: does the provider answer, is it the one that `issuer` names, do \
the clocks agree, does it know the redirect address, does it accept the secret? Of a login by PAM: is its service file there, \
are its modules, does it refuse a name that nobody has, and how fast? Nobody is logged in. Exits with 1 if nobody could log in.

Example:
  sudo hubctl login check school"
    )]
    Check {
        /// Its name in the configuration, as in [login.NAME]
        name: LoginName,
    },
    /// Unlink people from their accounts at a provider, and log them out
    #[command(
        after_help = "Afterwards they log in with a password, and can link an account again. Somebody who was removed and \
enrolled again has to be unlinked, or to use the same account as before.

Example:
  sudo hubctl login unlink ada"
    )]
    Unlink {
        /// Who
        #[arg(required = true, value_name = "PERSON")]
        names: Vec<Username>,
    },
}

//! The command line of `hubctl login`.

use clap::Subcommand;
use hub_core::accounts::Username;
use hub_core::config::LoginName;

#[derive(Debug, Subcommand)]
pub(crate) enum LoginVerb {
    /// List the logins of your institution, and which account there is which person here
    #[command(after_help = "Example:
  sudo hubctl login list")]
    List,
    /// Say in words what is wrong with a login, before anybody tries it
    #[command(
        after_help = "Looks from where the hub itself looks: does the provider answer, is it who `issuer` says, do the clocks agree, \
does it know the redirect address, does it take the secret? Nobody is logged in by it. Ends with 1 when nobody would get in.

Example:
  sudo hubctl login check school"
    )]
    Check {
        /// Its name in the configuration, as in [login.NAME]
        name: LoginName,
    },
    /// Forget which account of a provider is somebody, and end their logins
    #[command(
        after_help = "They log in with a password afterwards, and may link an account anew. Somebody who was taken off the list and is \
enrolled again has to be unlinked, or to come by the account of before.

Example:
  sudo hubctl login unlink ada"
    )]
    Unlink {
        /// Who
        #[arg(required = true, value_name = "PERSON")]
        names: Vec<Username>,
    },
}

// A provider of logins for the tests: oidc-provider as it comes, with the clients and accounts that its one argument, a JSON text,
// names. Whoever types the name of an account into its login page is that account.
import Provider from 'oidc-provider';

const { issuer, clients, accounts } = JSON.parse(process.argv[2]);
const { hostname, port } = new URL(issuer);
const all = ['preferred_username', 'name', 'email', 'email_verified', 'groups'];

const provider = new Provider(issuer, {
  clients,
  claims: { openid: ['sub'], profile: ['preferred_username', 'name'], email: ['email', 'email_verified'], groups: ['groups'] },
  scopes: ['openid', 'profile', 'email', 'groups'],
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true } },
  cookies: { keys: ['only for tests'] },
  findAccount: (ctx, sub) => accounts[sub] && { accountId: sub, claims: () => ({ sub, ...accounts[sub] }) },
  // Nobody is asked whether the hub may know who they are.
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope('openid profile email groups');
    grant.addOIDCClaims(all);
    await grant.save();
    return grant;
  },
});

provider.listen(Number(port), hostname, () => console.log('listening'));

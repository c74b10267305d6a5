// What the hub adds to the pages of JupyterLab and Notebook: every request carries the key that the hub gave this page, and
// while the login is over, or the server or the hub is away, requests wait and the page says so instead of failing.
(() => {
  const data = document.getElementById('jupyter-config-data');
  const config = data ? JSON.parse(data.textContent) : {};
  const base = new URL(config.baseUrl ?? '/', location.origin).href;
  const hub = new URL(config.hubPrefix ?? '/hub/', location.origin).href;
  const name = config.hubUser ?? '';
  const [shortest, longest] = [2000, 60000];
  const fetchNow = window.fetch.bind(window);
  let key = config.token ?? '';

  const stays = 'your work here stays.';
  const problems = {
    'logged-out': ['You were logged out. Log in again in another tab; ' + stays, 'Log in', 'login'],
    'somebody-else': [`Somebody else is logged in in this browser now, so nothing here is saved. Log in as ${name} again in ` +
      'another tab; ' + stays, 'Go to the hub', 'home'],
    'stale-page': ['This page can\'t be connected again. Copy what you need from it, then load it again.', '', ''],
    'stopped': ['Your server is not running. Start it in another tab; ' + stays, 'Start my server', 'home'],
    'unreachable': ['The hub can\'t be reached at the moment. Your work here stays, and this page goes on when the hub is ' +
      'back. If that takes long, open the hub in another tab: your browser may have a question.', 'Open the hub', 'home'],
  };

  const told = (text, label, page) => {
    const box = document.createElement('div');
    box.style.cssText = 'position:fixed;left:50%;transform:translateX(-50%);z-index:100000;max-width:min(44rem,92vw);' +
      'padding:10px 14px;border-radius:6px;border:1px solid;color:#222;font:14px/1.4 sans-serif;box-shadow:0 2px 10px rgba(0,0,0,.3)';
    box.append(text);
    if (label) {
      const link = document.createElement('a');
      Object.assign(link, { href: hub + page, target: '_blank', rel: 'noopener', textContent: label });
      link.style.cssText = 'margin-left:10px;color:#0b57d0;text-decoration:underline;white-space:nowrap';
      box.append(link);
    }
    return box;
  };

  // What there is to tell, at the bottom, each until it was read: what was is remembered.
  const notes = () => {
    let list = document.getElementById('hubd-notes');
    if (list) return list;
    list = document.createElement('div');
    list.id = 'hubd-notes';
    list.setAttribute('role', 'status');
    list.style.cssText = 'position:fixed;left:50%;bottom:36px;transform:translateX(-50%);z-index:100000;display:grid;gap:8px';
    document.body.append(list);
    return list;
  };
  const note = (id, text, { label, page, keep } = {}) => {
    if (localStorage.getItem(`hubd-read-${id}`)) return;
    const box = told(text, label, page);
    box.dataset.note = id;
    Object.assign(box.style, { position: 'static', transform: 'none', background: '#eef3fb', borderColor: '#9db7de', whiteSpace: 'pre-line' });
    const button = document.createElement('button');
    Object.assign(button, { type: 'button', textContent: keep ? 'Keep it running' : 'OK' });
    button.style.cssText = 'margin-left:10px;padding:2px 12px;border:1px solid #9db7de;border-radius:4px;background:#fff;color:inherit;' +
      'font:inherit;cursor:pointer';
    button.addEventListener('click', () => {
      // Counts as use of the server; what every page asks for again and again does not.
      if (keep) window.fetch(base + 'api/status', { method: 'HEAD' }).catch(() => {});
      else localStorage.setItem(`hubd-read-${id}`, 'yes');
      box.remove();
    });
    box.append(button);
    notes().append(box);
  };

  // That the server runs without what its owner installed and set: once for each start.
  const plain = () => {
    if (!config.hubPlain) return;
    note(`plain-${config.hubPlain}`, 'This server runs without your own packages and settings. They are still there: restart it ' +
      'on your page to use them again.', { label: 'My page', page: 'home' });
  };

  // The hub's answers say by a number whether there is other news than before.
  let newest = '0';
  const hear = async number => {
    if (number === null || number === newest) return;
    newest = number;
    try {
      const answer = await fetchNow(hub + 'news', { cache: 'no-store', headers: { Authorization: `token ${key}` } });
      if (!answer.ok) return;
      const { items } = await answer.json();
      for (const box of document.querySelectorAll('#hubd-notes [data-note]')) {
        const { note: id } = box.dataset;
        if (!id.startsWith('plain-') && !items.some(item => item.id === id)) box.remove();
      }
      for (const { id, text, keep } of items) {
        if (![...document.querySelectorAll('[data-note]')].some(box => box.dataset.note === id)) note(id, text, { keep });
      }
    } catch {
      // Told with the next answer.
      newest = '0';
    }
  };

  let shown = '';
  let banner = null;
  const show = problem => {
    if (problem === shown) return;
    shown = problem;
    banner?.remove();
    banner = null;
    if (!problem) return;
    const [text, label, page] = problems[problem] ?? problems.unreachable;
    banner = told(text, label, page);
    banner.id = 'hubd-problem';
    banner.dataset.problem = problem;
    banner.setAttribute('role', 'alert');
    Object.assign(banner.style, { top: '8px', background: '#fff8e1', borderColor: '#b58900' });
    document.body.append(banner);
  };

  // What is wrong now; empty: nothing. The hub gives another key only to a page that had one of the same person's.
  const look = async () => {
    try {
      const answer = await fetchNow(hub + 'key', { cache: 'no-store', headers: { Authorization: `token ${key}` } });
      if (!answer.ok) return answer.headers.get('X-Hubd-Problem') ?? 'unreachable';
      const said = await answer.json();
      key = said.key;
      return said.running ? '' : 'stopped';
    } catch {
      return 'unreachable';
    }
  };

  const pause = milliseconds => new Promise(resolve => {
    const done = () => {
      clearTimeout(timer);
      window.removeEventListener('focus', done);
      document.removeEventListener('visibilitychange', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    window.addEventListener('focus', done);
    document.addEventListener('visibilitychange', done);
  });

  // One for all requests that wait.
  let recovery = null;
  const recovered = problem => {
    // What failed for a moment only is asked again at once.
    if (!problem) return Promise.resolve();
    recovery ??= (async () => {
      for (let wait = shortest; problem; wait = Math.min(wait * 1.5, longest)) {
        show(problem);
        await pause(wait);
        problem = await look();
      }
      show('');
      recovery = null;
    })();
    return recovery;
  };

  // What reached nobody may be sent again; what may have reached the server only when that does no more than once.
  const mayRepeat = async request => {
    if (['GET', 'HEAD'].includes(request.method)) return true;
    return request.method === 'PUT' && !/"chunk": ?-?\d/.test(await request.clone().text());
  };

  // What was typed while a save waited is not in it, but counts as saved from then on: so everything is saved once more.
  let lab = null;
  let again = 0;
  const saveAgain = () => {
    clearTimeout(again);
    again = setTimeout(() => {
      if (lab?.commands.hasCommand('docmanager:save-all')) lab.commands.execute('docmanager:save-all');
    }, 1000);
  };

  window.fetch = async (input, init) => {
    const request = new Request(input, init);
    if (!key || !request.url.startsWith(base)) return fetchNow(input, init);
    let waited = false;
    for (let tries = 1; ; tries += 1) {
      const attempt = request.clone();
      attempt.headers.set('Authorization', `token ${key}`);
      let answer;
      try {
        answer = await fetchNow(attempt);
      } catch (error) {
        if (request.signal.aborted || tries > 3 || !await mayRepeat(request)) throw error;
        // Loading another page ends all requests, too.
        await recovered(await look());
        waited = true;
        continue;
      }
      const problem = answer.headers.get('X-Hubd-Problem');
      hear(answer.headers.get('X-Hubd-News'));
      if (!problem || tries > 3) {
        if (waited && request.method === 'PUT') saveAgain();
        return answer;
      }
      await recovered(problem);
      waited = true;
    }
  };

  const withKey = address => {
    const url = new URL(address, location.href);
    const asked = url.href.replace(/^ws/, 'http');
    if (!key || !asked.startsWith(base)) return address;
    url.searchParams.set('token', key);
    return url.href;
  };
  for (const kind of ['WebSocket', 'EventSource']) {
    window[kind] = class extends window[kind] {
      constructor(address, ...rest) {
        super(withKey(address), ...rest);
      }
    };
  }
  const open = XMLHttpRequest.prototype.open;
  XMLHttpRequest.prototype.open = function (method, address, ...rest) {
    return open.call(this, method, withKey(address), ...rest);
  };

  // Pictures in notebooks, downloads.
  const plugin = {
    id: 'hubd:page',
    autoStart: true,
    activate: app => {
      lab = app;
      plain();
      const { contents } = app.serviceManager;
      const downloadUrl = contents.getDownloadUrl.bind(contents);
      contents.getDownloadUrl = async path => withKey(await downloadUrl(path));
    },
  };
  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB.hubd = { init: () => {}, get: async () => () => plugin };
})();

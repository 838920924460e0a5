// The dashboard as people meet it: signing in, looking, comparing, planning, approving, applying, and what
// drifted reverted, absorbed or ignored. Also the page that `compare` writes to a file.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const { CHROMIUM, ROOT, UPDATE_SCREENSHOTS } = process.env;
const program = join(ROOT, 'target/debug/orgsmith');
const folder = mkdtempSync(join(tmpdir(), 'orgsmith-dashboard-'));
const children = [];

/** Starts a command that serves in a folder, and returns the JSON that it prints first. */
const start = async (cwd, ...args) => {
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  let text = '';
  for await (const line of createInterface({ input: child.stdout })) {
    text += line;
    try { return JSON.parse(text); } catch { /* not whole yet */ }
  }
  throw new Error(`${args.join(' ')} ended: ${text}`);
};

const end = () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
};

/** Starts a simulator, and writes the project file of its orgs into a folder of its own. */
const project = async (name, settings) => {
  const place = join(folder, name);
  mkdirSync(place);
  const sim = await start(place, 'sim', '--generate', 'seed=7,users=6,queues=4', '-o', 'json');
  const orgs = sim.orgs.map(({ name, clients: [client] }) => {
    writeFileSync(join(place, `${name}.yaml`), `client_id: ${client.id}\nclient_secret: ${client.secret}\n`, { mode: 0o600 });
    return `  ${name}:\n    base_url: ${sim.base_url}\n    visibility_wait_s: 0\n    credential: {file: ${name}.yaml}\n`;
  });
  writeFileSync(join(place, 'orgsmith.yaml'), `${settings}\norgs:\n${orgs.join('')}`);
  return { place, sim };
};
const serve = place => start(place, 'serve', '--listen', '127.0.0.1:0', '-o', 'json');

const { place, sim } = await project('approved', 'service: {approvals: 1}');
const { url, token } = await serve(place);

/** Signs in to an org, and returns what asks its API. */
const genesysOf = async ({ base_url, orgs }, name) => {
  const { clients: [client] } = orgs.find(org => org.name === name);
  const login = await fetch(`${base_url}/oauth/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials',
  });
  const { access_token } = await login.json();
  return async (path, method = 'GET', body) => {
    const answer = await fetch(base_url + path, {
      method,
      headers: { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer.status === 204 ? undefined : answer.json();
  };
};

/** Asks the API. */
const api = async (path, body, as = token) => {
  const answer = await fetch(url + path, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${as}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  return answer.json();
};
const mint = async (name, role) => (await api('/api/v2/tokens', { name, role })).token;

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});

/** Opens a browser of somebody, in which no page may have an error. */
const visit = async (secret, options = {}, at = url) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.errors = [];
  page.on('pageerror', error => page.errors.push(error.message));
  page.on('console', message => message.type() === 'error' && page.errors.push(message.text()));
  page.on('dialog', dialog => dialog.accept());
  if (secret) {
    await page.goto(`${at}/`);
    await page.fill('input[name=token]', secret);
    await page.click('button');
    await page.waitForURL(`${at}/`);
  }
  return page;
};

const picture = async (page, name) => {
  if (!UPDATE_SCREENSHOTS) return;
  mkdirSync(join(ROOT, 'docs/images'), { recursive: true });
  await page.screenshot({ path: join(ROOT, `docs/images/${name}.png`) });
};

const pages = ['/', '/compare', '/drift', '/jobs', '/runs', '/map', '/numbers', '/audit', '/tokens', '/api'];

const tests = {
  'who has no token is asked for one, and a wrong one is refused': async () => {
    const page = await visit();
    await page.goto(`${url}/runs`);
    assert.match(page.url(), /\/login\?to=%2Fruns$/);
    await page.fill('input[name=token]', 'orgsmith_wrong');
    await page.click('button');
    await page.waitForSelector('[role=alert]');
    page.errors.length = 0; // the browser tells of the 401
    await page.fill('input[name=token]', token);
    await page.click('button');
    await page.waitForURL(`${url}/runs`);
    await page.click('text=Sign out');
    await page.waitForURL(`${url}/login`);
    await page.goto(`${url}/runs`);
    assert.match(page.url(), /\/login/);
  },

  'every page is whole in light and dark, and at the width of a phone': async () => {
    for (const [colorScheme, width] of [['light', 1280], ['dark', 1280], ['light', 390]]) {
      const page = await visit(token, { colorScheme, viewport: { width, height: 800 } });
      for (const path of pages) {
        const answer = await page.goto(url + path);
        assert.equal(answer.status(), 200, path);
        await page.waitForSelector('h1');
        const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
        assert.ok(wide <= width, `${path} is ${wide} wide at ${width}`);
      }
      assert.deepEqual(page.errors, []);
      await page.context().close();
    }
  },

  'the keyboard is enough': async () => {
    const page = await visit(token);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
    await page.goto(`${url}/map`);
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press('/');
    assert.equal(await page.evaluate(() => document.activeElement.name), 'find');
  },

  'what differs is ticked, planned, approved by another and applied, and the page follows': async () => {
    const operator = await visit(await mint('operator', 'operator'));
    await operator.goto(`${url}/compare`);
    await operator.click('button.strong');
    await operator.waitForSelector('#matrix', { timeout: 60_000 });
    await operator.fill('input[type=search]', 'routing_skill');
    const boxes = await operator.$$('#matrix tbody tr:not([hidden]) input');
    assert.ok(boxes.length > 3, 'skills differ');
    for (const box of boxes) await box.check();
    assert.equal(await operator.textContent('[data-count]'), `${boxes.length} ticked`);
    await picture(operator, 'compare');
    await operator.click('text=Plan the ticked');
    await operator.waitForSelector('.decide', { timeout: 60_000 });
    const plan = operator.url();
    await picture(operator, 'plan');
    await operator.click('button:text-is("Apply")');
    await operator.waitForSelector('[role=alert]');
    assert.match(await operator.textContent('[role=alert]'), /approved by 0 of 1/);
    operator.errors.length = 0; // the browser tells of the 403

    const approver = await visit(await mint('approver', 'approver'));
    await approver.goto(plan);
    await approver.click('button:text-is("Approve")');
    await approver.waitForSelector('text=1 of 1 approvals: approver');

    await operator.goto(plan);
    await operator.click('button:text-is("Apply")');
    await operator.waitForFunction(before => location.href !== before, plan);
    const loaded = await operator.evaluate(() => performance.timeOrigin);
    await operator.waitForSelector('#live .badge.done', { timeout: 60_000 });
    assert.equal(await operator.evaluate(() => performance.timeOrigin), loaded, 'the page was loaded again');
    const [, done, steps] = /(\d+) of (\d+) done/.exec(await operator.textContent('#live'));
    assert.equal(done, steps);
    assert.ok(Number(done) >= boxes.length, 'and what they refer to');
    await picture(operator, 'run');
    const runs = await api('/api/v2/runs');
    assert.equal(runs[0].status, 'done');
    await operator.click('text=The run');
    await operator.waitForSelector('#steps');
    await operator.goto(`${url}/map?find=routing_skill`);
    assert.ok((await operator.$$('tbody tr')).length >= boxes.length);
    // What was sent is drawn, without the page being loaded again.
    await operator.goto(`${url}/`);
    const bars = operator.locator('tr:has-text("tenant") svg.use rect.sent');
    await bars.first().waitFor({ state: 'attached', timeout: 30_000 });
    assert.match(await operator.getAttribute('tr:has-text("tenant") svg.use', 'aria-label'), /[1-9]\d* calls, at most/);
    await picture(operator, 'fleet');
    assert.deepEqual([...operator.errors, ...approver.errors], []);
  },

  'what drifted is shown with who did it, and ignored until a date': async () => {
    const genesys = await genesysOf(sim, 'tenant');
    const { entities } = await genesys('/api/v2/authorization/divisions?pageSize=100');
    const division = entities.find(({ homeDivision }) => !homeDivision);
    await genesys(`/api/v2/authorization/divisions/${division.id}`, 'PUT', { name: division.name, description: 'meddled with' });

    const page = await visit(token);
    await page.click('tr:has-text("tenant") button:text-is("Drift")');
    await page.waitForSelector('#live .badge.done', { timeout: 60_000 });
    await page.goto(`${url}/drift`);
    const row = page.locator('tr', { hasText: `auth_division/${division.name}` });
    assert.match(await row.textContent(), /meddled with/);
    await picture(page, 'drift');
    await row.locator('input[type=checkbox]').check();
    await page.fill('input[name=until]', '2099-01-31');
    await page.fill('input[name=reason]', 'a trial');
    await page.click('button:text-is("Ignore the ticked")');
    await page.waitForSelector('#live .badge.done', { timeout: 60_000 });
    await page.goto(`${url}/`);
    await page.click('tr:has-text("tenant") button:text-is("Drift")');
    await page.waitForSelector('#live .badge.done', { timeout: 60_000 });
    await page.goto(`${url}/drift`);
    assert.equal(await page.locator('tr', { hasText: 'meddled with' }).count(), 0);
    assert.deepEqual(page.errors, []);
  },

  'what drifted is reverted in the org by one button, and absorbed into the bundle by the other': async () => {
    const { place, sim } = await project('alone', 'drift: {against: {tenant: centre}}');
    mkdirSync(join(place, 'centre/auth_division'), { recursive: true });
    const file = name => join(place, `centre/auth_division/${name}.yaml`);
    writeFileSync(file('Sales'), 'name: Sales\ndescription: We sell\n');
    writeFileSync(file('Help'), '# Who helps.\nname: Help\ndescription: We help\n');
    execFileSync(program, ['apply', 'centre', '--to', 'tenant', '--yes'], { cwd: place, stdio: 'ignore' });
    const genesys = await genesysOf(sim, 'tenant');
    const divisions = '/api/v2/authorization/divisions';
    const division = async name =>
      (await genesys(`${divisions}?pageSize=100`)).entities.find(division => division.name === name);
    for (const name of ['Sales', 'Help']) {
      const { id } = await division(name);
      await genesys(`${divisions}/${id}`, 'PUT', { name, description: `${name} was meddled with` });
    }

    const { url, token } = await serve(place);
    const page = await visit(token, {}, url);
    const done = async () => {
      await page.waitForSelector('#live .badge.done', { timeout: 60_000 });
      await page.goto(`${url}/drift`);
    };
    const row = name => page.locator('tr', { hasText: `auth_division/${name}` });
    const act = async (name, button) => {
      await row(name).locator('input[type=checkbox]').check();
      await page.click(`button:text-is("${button} the ticked")`);
      await done();
      await page.click('button:text-is("Look again")');
      await done();
      assert.equal(await row(name).count(), 0, `${name} is still there`);
    };
    await page.click('tr:has-text("tenant") button:text-is("Drift")');
    await done();
    for (const name of ['Sales', 'Help']) assert.match(await row(name).textContent(), new RegExp(`${name} was meddled with`));

    await act('Sales', 'Revert');
    assert.equal((await division('Sales')).description, 'We sell');
    assert.equal(readFileSync(file('Sales'), 'utf8'), 'name: Sales\ndescription: We sell\n');
    assert.equal((await division('Help')).description, 'Help was meddled with', 'it was not ticked');

    await act('Help', 'Absorb');
    assert.equal((await division('Help')).description, 'Help was meddled with');
    assert.equal(readFileSync(file('Help'), 'utf8'), '# Who helps.\nname: Help\ndescription: Help was meddled with\n');
    await page.waitForSelector('text=There is no drift.');
    assert.deepEqual(page.errors, []);
  },

  'a comparison that was written to a file is filtered, ticked and planned by the command that it shows': async () => {
    const { place } = await project('pages', '');
    const skill = join(place, 'part/routing_skill');
    mkdirSync(skill, { recursive: true });
    // Names that a page and a shell could take for something else.
    const odd = ["Über <b>all</b> it's", 'A, B and C'];
    odd.forEach((name, at) => writeFileSync(join(skill, `${name.replace(/[<>/]/g, encodeURIComponent)}.yaml`), `name: ${JSON.stringify(name)}\n`));
    const orgsmith = (...args) => execFileSync(program, args, { cwd: place, stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' });
    orgsmith('compare', 'part', 'gold', 'tenant', '-o', 'html', '--out', 'page.html');
    const address = `file://${join(place, 'page.html')}`;
    for (const [colorScheme, width] of [['light', 1280], ['dark', 1280], ['light', 390]]) {
      const page = await visit(undefined, { colorScheme, viewport: { width, height: 800 } });
      await page.goto(address);
      await page.waitForSelector('tr.row');
      await page.click('#unfold');
      const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
      assert.ok(wide <= width, `it is ${wide} wide at ${width}`);
      assert.deepEqual(page.errors, []);
      await page.context().close();
    }

    const page = await visit(undefined);
    await page.goto(address);
    const rows = page.locator('tr.row:visible');
    const all = await rows.count();
    assert.equal(await page.textContent('#shown'), `${all} of ${await page.locator('tr.row').count()} objects`);
    await page.selectOption('#kind', 'routing_skill');
    const skills = await rows.count();
    assert.ok(skills > 3 && skills < all, `${skills} of ${all}`);
    await page.fill('#text', 'ÜBER');
    assert.equal(await rows.count(), 1, 'a name is found whatever its case');
    await page.fill('#text', 'nothing has this name');
    assert.equal(await rows.count(), 0);
    assert.ok(await page.isVisible('#nothing'));
    await page.fill('#text', '');
    for (const box of await page.locator('.state input').all()) await box.uncheck();
    assert.equal(await rows.count(), 0);
    for (const box of await page.locator('.state input').all()) await box.check();

    const choose = async (side, name) =>
      page.selectOption(`#${side}`, await page.getAttribute(`#${side} [data-name=${name}]`, 'value'));
    // Nothing to plan, nothing to copy.
    assert.ok(await page.isDisabled('#copy'));
    await choose('from', 'part');
    await choose('to', 'tenant');
    for (const name of odd) {
      await page.fill('#text', name);
      await rows.locator('input').check();
    }
    await page.fill('#text', '');
    // What the source lacks is not planned, and is told.
    const others = rows.filter({ hasNot: page.locator('input:checked') });
    await others.first().locator('input').check();
    assert.match(await page.textContent('#left'), /^1 ticked are not in /);
    const command = await page.textContent('#command');
    assert.match(command, /^orgsmith plan part --to tenant --select /);
    assert.ok(!await page.isDisabled('#copy'));
    await page.click('#copy');
    await page.waitForSelector('#copy:text-matches("Copied|Selected")');
    const shown = execFileSync('sh', ['-c', command.replace('orgsmith', `'${program}'`)], { cwd: place, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    for (const name of odd) assert.ok(shown.includes(name), `${name}: ${shown}`);
    assert.match(shown, /Total 2 to create/);
    await choose('from', 'tenant');
    assert.match(await page.textContent('#command'), /two different/);
    assert.deepEqual(page.errors, []);
  },

  'a viewer looks and can do nothing': async () => {
    const page = await visit(await mint('viewer', 'viewer'));
    for (const path of pages.filter(path => !['/tokens', '/api'].includes(path))) {
      await page.goto(url + path);
      const forms = await page.$$('main form:not([method=get])');
      assert.equal(forms.length, 0, path);
    }
    const answer = await page.goto(`${url}/tokens`);
    assert.equal(answer.status(), 403);
  },

  'a page of somebody else cannot act for who is signed in': async () => {
    const page = await visit(token);
    const before = (await api('/api/v2/jobs')).length;
    const answer = await page.context().request.post(`${url}/jobs`, {
      headers: { origin: 'http://evil.example', 'content-type': 'application/x-www-form-urlencoded' },
      data: 'kind=export&org=gold',
    });
    assert.equal(answer.status(), 403);
    assert.equal((await api('/api/v2/jobs')).length, before);
  },
};

let [passed, failed] = [0, 0];
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    passed += 1;
    console.log(`test ${name} ... ok`);
  } catch (error) {
    failed += 1;
    console.log(`test ${name} ... FAILED\n${error.stack}`);
  }
}
await browser.close();
end();
console.log(`test result: ${failed ? 'FAILED' : 'ok'}. ${passed} passed; ${failed} failed`);
process.exit(failed ? 1 : 0);

// Drives the page in a browser: browser.mjs PLAYWRIGHT CHROMIUM URL FOLDER.
// Prints a line of JSON for the test to judge.
const [playwright, chromium, url, folder] = process.argv.slice(2);
const { chromium: driver } = (await import(playwright)).default;
const browser = await driver.launch({ executablePath: chromium, args: ['--no-sandbox', '--disable-gpu'] });
const faults = [];
const open = async (options) => {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, locale: 'en-US', ...options });
  const page = await context.newPage();
  page.on('console', (m) => { if (m.type() === 'error') faults.push(m.text()); });
  page.on('pageerror', (e) => faults.push(e.message));
  await page.goto(url);
  await page.waitForSelector('#rows [role=row]');
  return page;
};
const out = {};
const page = await open({});
out.paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime);
out.hash = await page.evaluate(() => location.href);
await page.waitForFunction(() => /10,000/.test(document.querySelector('#pairs-title').textContent));
out.rows = await page.locator('#rows [role=row]').count();
const column = (n) => page.locator(`#rows [role=row] [role=gridcell]:nth-child(${n})`).allTextContents();

// Sorting, by the mouse.
await page.click('#head button:has-text("Peer")');
await page.waitForTimeout(100);
out.sorted = (await column(2))[0];
// Filtering.
await page.fill('#filter', '10.0.39.');
await page.waitForFunction(() => /of 10,000/.test(document.querySelector('#pairs-title').textContent));
out.filtered = await page.locator('#pairs-title').textContent();
await page.fill('#filter', '');
// Text that a peer chose is text.
await page.fill('#filter', 'onerror');
await page.waitForFunction(() => document.querySelectorAll('#rows [role=row]').length === 1);
out.hostile = await page.locator('#rows [role=row]').first().textContent();
out.markup = await page.locator('#rows img').count();
await page.fill('#filter', '');

// The keyboard: down to the second row, and its details.
await page.click('#head button:has-text("#")');
await page.focus('#scroll');
await page.keyboard.press('Home');
await page.keyboard.press('ArrowDown');
await page.keyboard.press('Enter');
await page.waitForSelector('#pair:not([hidden])');
out.title = await page.locator('#pair-title').textContent();
await page.keyboard.press('End');
await page.waitForTimeout(100);
out.scrolled = await page.evaluate(() => document.querySelector('#scroll').scrollTop > 100000);
await page.keyboard.press('Escape');
out.hidden = await page.locator('#pair').isHidden();

// The picture of a connection.
await page.fill('#filter', '10.0.0.7:');
await page.waitForFunction(() => document.querySelectorAll('#rows [role=row]').length === 1);
await page.click('#rows [role=row]');
await page.waitForSelector('.picture');
out.picture = await page.locator('.picture').first().innerText();

// A thousand changes a second: how old is what is shown, in milliseconds.
out.behind = [];
for (let i = 0; i < 8; i++) {
  await page.waitForTimeout(250);
  const shown = Number((await page.locator('#facts').textContent()).match(/([\d,]+) ended/)[1].replaceAll(',', ''));
  out.behind.push(Date.now() % 100000000 - shown);
}
await page.screenshot({ path: `${folder}/en.png` });

// Spanish, dark, a phone.
const small = await open({ viewport: { width: 390, height: 844 }, locale: 'es-ES', colorScheme: 'dark' });
await small.waitForFunction(() => /10\.000/.test(document.querySelector('#pairs-title').textContent));
out.lang = await small.evaluate(() => document.documentElement.lang);
out.overflow = await small.evaluate(() => document.documentElement.scrollWidth - innerWidth);
out.dark = await small.evaluate(() => getComputedStyle(document.body).backgroundColor);
await small.screenshot({ path: `${folder}/es.png` });
await small.click('#language');
out.english = await small.locator('#services-title').textContent();
out.light = await small.evaluate(() => { document.querySelector('#theme').click(); return getComputedStyle(document.body).backgroundColor; });

// Without the token.
const strange = await (await browser.newContext()).newPage();
await strange.goto(url.split('#')[0]);
await strange.waitForSelector('#ask:not([hidden])');
out.asked = true;
out.faults = faults;
await browser.close();
console.log(JSON.stringify(out));

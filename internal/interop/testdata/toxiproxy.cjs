// toxiproxy.cjs CLIENT-FOLDER API UPSTREAM: what its users do with toxiproxy-node-client.
const assert = require('node:assert/strict');
const net = require('node:net');
const [folder, api, upstream] = process.argv.slice(2);
const { Toxiproxy, ICreateProxyBody } = require(folder);

// trip sends a line, and returns the milliseconds until it is back.
const trip = (listen) => new Promise((resolve, reject) => {
  const [, host, port] = /^(.*):(\d+)$/.exec(listen);
  const began = performance.now();
  const c = net.connect(Number(port), host.replace(/[[\]]/g, ''), () => c.write('hola\n'));
  c.once('data', () => { c.destroy(); resolve(performance.now() - began); });
  c.once('error', reject);
});

(async () => {
  const toxiproxy = new Toxiproxy(api);
  assert.match(await toxiproxy.getVersion().then((v) => JSON.stringify(v)), /2\./);
  await toxiproxy.reset();
  const proxy = await toxiproxy.createProxy({ name: 'node', listen: '127.0.0.1:0', upstream });
  assert.equal(proxy.enabled, true);
  await trip(proxy.listen);
  await assert.rejects(toxiproxy.createProxy({ name: 'node', listen: '127.0.0.1:0', upstream }), (e) => /409|already exists/.test(e.message + JSON.stringify(e)));
  const toxic = await proxy.addToxic({ type: 'latency', name: 'slow', stream: 'upstream', toxicity: 1, attributes: { latency: 300, jitter: 0 } });
  assert.ok(await trip(proxy.listen) >= 300);
  assert.equal((await proxy.getToxic('slow')).attributes.latency, 300);
  toxic.attributes.latency = 0;
  await toxic.update();
  await toxic.remove();
  await assert.rejects(proxy.getToxic('slow'));
  const off = await proxy.update({ enabled: false, listen: proxy.listen, upstream });
  assert.equal(off.enabled, false);
  await assert.rejects(trip(proxy.listen));
  await toxiproxy.reset();
  await trip(proxy.listen);
  const many = await toxiproxy.populate([{ name: 'node', listen: proxy.listen, upstream }, { name: 'other', listen: '127.0.0.1:0', upstream }]);
  assert.deepEqual(Object.keys(many).sort(), ['node', 'other']);
  await (await toxiproxy.get('other')).remove();
  assert.deepEqual(Object.keys(await toxiproxy.getAll()), ['node']);
  await proxy.remove();
  console.log('all done');
})().catch((e) => { console.error(e); process.exit(1); });

// The same work with Node's fs, for context. Settings as for the workloads:
// node node.js op=stat depth=64 n=... ; prints one line of the same form.
"use strict";
const fs = require("fs");

const setting = Object.fromEntries(process.argv.slice(2).map((pair) => {
  const at = pair.indexOf("=");
  return [pair.slice(0, at), pair.slice(at + 1)];
}));
const n = Number(setting.n || 0);
const depth = Number(setting.depth || 1);

// The same sequence as blocks() of AIOBench.pm.
function blocks(count, limit) {
  let state = 12345n;
  const out = new Array(count);
  for (let i = 0; i < count; i++) {
    state = (state * 1103515245n + 12345n) & 0x7fffffffn;
    out[i] = Number((state >> 8n) % BigInt(limit));
  }
  return out;
}

const pad = (i) => String(i).padStart(3, "0");
const paths = (root, count, per) =>
  Array.from({ length: count }, (_, i) => `${root}/d${pad(Math.floor(i / per))}/f${pad(i % per)}`);

function must(err) {
  if (err) throw err;
}

// Runs step(i, slot, done) for i in 0..n-1 with `depth` of them active.
function stream(step, end) {
  let next = 0;
  let active = Math.min(depth, n);
  const run = (slot) => {
    if (next < n) step(next++, slot, () => run(slot));
    else if (--active === 0) end();
  };
  for (let slot = 0, slots = active; slot < slots; slot++) run(slot);
}

const op = {
  stat(start, end) {
    const path = paths(setting.files, n, 1000);
    let size = 0;
    start();
    stream((i, slot, done) => fs.stat(path[i], (err, st) => {
      must(err);
      size += st.size;
      done();
    }), () => end(`${n}/${size}`));
  },
  read(start, end) {
    const fd = fs.openSync(setting.data, "r");
    const offset = blocks(n, setting.span / 4096);
    const buffer = Array.from({ length: depth }, () => Buffer.alloc(4096));
    let bytes = 0, sum = 0;
    start();
    stream((i, slot, done) => fs.read(fd, buffer[slot], 0, 4096, offset[i] * 4096, (err, got) => {
      must(err);
      bytes += got;
      sum += buffer[slot].readUInt32BE(0);
      done();
    }), () => end(`${bytes}/${sum}`));
  },
  openclose(start, end) {
    const path = paths(setting.files, n, 1000);
    start();
    stream((i, slot, done) => fs.open(path[i], "r", (err, fd) => {
      must(err);
      fs.close(fd, (err) => {
        must(err);
        done();
      });
    }), () => end(`${n}`));
  },
  readdir(start, end) {
    let entries = 0, names;
    start();
    stream((i, slot, done) => fs.readdir(setting.directory, (err, got) => {
      must(err);
      entries += got.length;
      names = got;
      done();
    }), () => end(`${entries}/${names.reduce((sum, name) => sum + name.length, 0)}`, entries));
  },
  load(start, end) {
    const path = paths(setting.small, Number(setting.files), 100);
    let bytes = 0, sum = 0;
    start();
    stream((i, slot, done) => fs.readFile(path[i % path.length], (err, data) => {
      must(err);
      bytes += data.length;
      sum += data.readUInt32BE(0);
      done();
    }), () => end(`${bytes}/${sum}`));
  },
  walk(start, end) {
    let dirs = 0, others = 0, active = 0;
    const walk = (path) => {
      active++;
      fs.readdir(path, { withFileTypes: true }, (err, entries) => {
        must(err);
        for (const entry of entries) {
          if (entry.isDirectory()) {
            dirs++;
            walk(`${path}/${entry.name}`);
          } else others++;
        }
        if (--active === 0) end(`${dirs}/${others}/0`, dirs + others);
      });
    };
    start();
    walk(setting.tree);
  },
  rmtree(start, end) {
    const tree = `${setting.scratch}/rmtree`;
    start();
    fs.rm(tree, { recursive: true }, (err) => {
      must(err);
      end(`0/${fs.existsSync(tree) ? "left" : "gone"}`);
    });
  },
  copy(start, end) {
    const copy = `${setting.scratch}/copy`;
    start();
    fs.copyFile(setting.data, copy, (err) => {
      must(err);
      if (fs.statSync(copy).size !== fs.statSync(setting.data).size) throw new Error("not all was copied");
      end(undefined, 1);
    });
  },
};

let t0, cpu0;
op[setting.op](
  () => {
    cpu0 = process.cpuUsage();
    t0 = process.hrtime.bigint();
  },
  (check, ops = n) => {
    const wall = Number(process.hrtime.bigint() - t0) / 1e9;
    const cpu = process.cpuUsage(cpu0);
    console.log([...(check === undefined ? [] : [`check=${check}`]), `cpu=${((cpu.user + cpu.system) / 1e6).toFixed(6)}`,
      `ops=${ops}`, `wall=${wall.toFixed(6)}`].join("\t"));
  });

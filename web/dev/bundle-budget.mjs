/*
 * Fails the build when a page has grown over its budget: old classroom computers load it over thin
 * lines. A page's size is what its entry, its lazy part and all that they import weigh gzipped.
 */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const DIST = new URL('../dist/', import.meta.url);
const PAGES = [
  { name: 'start', entries: ['index.html'], budgetKb: 120 },
  {
    name: 'remote classroom',
    entries: ['index.html', 'src/core/session.ts', 'src/pages/remote/RemotePage.tsx'],
    budgetKb: 300,
  },
  {
    name: 'observer',
    entries: ['index.html', 'src/core/session.ts', 'src/pages/observer/ObserverPage.tsx'],
    budgetKb: 300,
  },
  {
    name: 'teacher',
    entries: ['index.html', 'src/core/session.ts', 'src/pages/teacher/TeacherPage.tsx'],
    budgetKb: 480,
  },
];

const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', DIST), 'utf8'));

function filesOf(key, files = new Set()) {
  const chunk = manifest[key];
  if (!chunk) throw new Error(`the build has no part ${key}`);
  if (files.has(chunk.file)) return files;
  files.add(chunk.file);
  for (const css of chunk.css ?? []) files.add(css);
  for (const imported of chunk.imports ?? []) filesOf(imported, files);
  return files;
}

let isOver = false;
for (const { name, entries, budgetKb } of PAGES) {
  const files = new Set(entries.flatMap((entry) => [...filesOf(entry)]));
  const bytes = [...files].reduce(
    (sum, file) => sum + gzipSync(readFileSync(new URL(file, DIST))).length,
    0,
  );
  const kb = Math.ceil(bytes / 1024);
  isOver ||= kb > budgetKb;
  console.log(
    `${name}: ${kb} KB gzipped of ${budgetKb} KB${kb > budgetKb ? ' - OVER BUDGET' : ''}`,
  );
}
if (isOver) process.exit(1);

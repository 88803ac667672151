/** A copy of the code with a seeded bug in it, in a folder of its own. */
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyEdit, type SeededBug } from './bug.ts';

const copied = ['lib', 'functions', join('test', 'sim'), join('test', 'support')];

/** Makes `folder` anew from `root`; `node_modules` is shared. Answers the folder. */
export function copyWithBug(root: string, folder: string, bug: SeededBug | null): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'test'), { recursive: true });
  for (const name of copied) cpSync(join(root, name), join(folder, name), { recursive: true });
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const edit of bug?.edits ?? []) {
    const path = join(folder, edit.file);
    writeFileSync(path, applyEdit(readFileSync(path, 'utf8'), edit));
  }
  return folder;
}

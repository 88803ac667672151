/** Names of documents come from whoever uploaded them: none may leave the folder that was given. */
import { join } from 'node:path';
import { clean } from './output.ts';

const PART_CHARS_MAX = 120;
/** What Windows keeps for itself, and what no file system needs. */
const ODD = /[<>:"|?*\\]/g;

/** A path below `folder` for a document called `name`; `fallback` where nothing of it is usable. */
export function pathBelow(folder: string, name: string, fallback: string): string {
  const parts = name
    .split('/')
    .map((part) => clean(part).replaceAll(ODD, '_').slice(-PART_CHARS_MAX).trim())
    .filter((part) => part !== '' && !/^\.+$/.test(part));
  return join(folder, ...(parts.length > 0 ? parts : [fallback]));
}

/** As `pathBelow`, without folders in between. */
export function fileBelow(folder: string, name: string, fallback: string): string {
  return pathBelow(folder, name.split('/').at(-1) ?? '', fallback);
}

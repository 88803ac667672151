// Documents of a scenario: every regular file of a folder, with its category and digest.
import { createHash } from 'node:crypto';
import { createReadStream, type PathLike } from 'node:fs';
import { categoryName, categoryOfContent, DEFAULT_CATEGORY } from '../../sdk/categories.ts';
import { SdkError } from '../../sdk/errors.ts';
import { mediaTypeOf } from '../../sdk/media-type.ts';
import { fileSource, readFileStart, walkFiles } from '../../sdk/platform/node.ts';
import { printable, sizeText } from './text.ts';

/** Categories of one patient: 24 months of keys each fit one publication. */
const CATEGORIES_MAX = 40;
const START_BYTES = 8_192;

/** A file of the folder, as it is to arrive at the reader. */
export interface Document {
  readonly file: PathLike;
  /** Path below the folder. */
  readonly name: string;
  readonly category: string;
  readonly mediaType: string;
  readonly length: number;
  readonly sha256: string;
}

export interface DocumentOptions {
  /** Category of files that lie in no sub-folder. @default by content */
  readonly category?: string | undefined;
  readonly report: (line: string) => void;
}

/** Every regular file of a folder, with its category and digest. */
export async function readDocuments(
  folder: string,
  { category, report }: DocumentOptions,
): Promise<Document[]> {
  const documents: Document[] = [];
  for (const { path, relative } of await walkFiles(folder)) {
    const start = await readFileStart(path, START_BYTES);
    const { length } = await fileSource(path);
    documents.push({
      file: path,
      name: relative,
      category: categoryOf(relative, start, category),
      mediaType: mediaTypeOf(relative, start),
      length,
      sha256: await sha256Of(path),
    });
  }
  if (documents.length === 0) {
    throw new SdkError('bad_input', `${folder} holds no files.`, {
      nextStep: 'Give a folder with documents, or leave --documents out.',
    });
  }
  const known = new Set<string>();
  return documents.map((one) => {
    if (known.size < CATEGORIES_MAX) known.add(one.category);
    if (known.has(one.category)) return one;
    report(
      `  ${printable(one.name)}: more than ${CATEGORIES_MAX} categories, so ${DEFAULT_CATEGORY}`,
    );
    return { ...one, category: DEFAULT_CATEGORY };
  });
}

/** The sub-folder's name, else what was given, else what the content says, else the general one. */
function categoryOf(relative: string, start: Uint8Array, given: string | undefined): string {
  const [top = '', ...rest] = relative.split('/');
  if (rest.length > 0) {
    try {
      return categoryName(cutText(top, 48));
    } catch {
      return DEFAULT_CATEGORY;
    }
  }
  if (given !== undefined) return categoryName(given);
  return categoryOfContent(relative, start) ?? DEFAULT_CATEGORY;
}

function cutText(text: string, bytesMax: number): string {
  let cut = '';
  for (const letter of text.normalize('NFKC')) {
    if (Buffer.byteLength(cut + letter) > bytesMax) break;
    cut += letter;
  }
  return cut;
}

/** Hex, of a file. */
export async function sha256Of(path: PathLike): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

export function describeDocuments(documents: readonly Document[]): string {
  const bytes = documents.reduce((sum, one) => sum + one.length, 0);
  return `${documents.length} files (${sizeText(bytes)})`;
}

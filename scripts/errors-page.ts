/** The page docs/errors.md, made from the table of problems. */

import { problemRows } from '../functions/aws/problems.ts';

const HEAD = `# Errors of the APIs

Validators, membership and custodian refuse alike: \`application/problem+json\` (RFC 9457) with \`type\`, \`title\`,
\`status\`, \`code\`, \`detail\` and \`instance\`, which is the correlation id (\`x-correlation-id\`) under which the
request is logged. Branch on \`code\`: it is stable, and has one status in all three APIs. \`429\` and \`503\` carry
\`Retry-After\`; any other validator may be asked meanwhile.

\`202\` of a validator means that this one holds a transaction. What the network decided stands in its receipt, where
a refused transaction has status \`INVALID\` and one of the chaincode's codes; the same codes answer queries here.

This page is made by \`node scripts/generate-openapi.ts\` from \`functions/aws/problem-table.ts\`.

| status | code | meaning | what to do next |
| ------ | ---- | ------- | --------------- |
`;

export function errorsPage(): string {
  const rows = problemRows().map(
    ({ status, code, title, next }) => `| ${status} | \`${code}\` | ${title} | ${next} |\n`,
  );
  return HEAD + rows.join('');
}

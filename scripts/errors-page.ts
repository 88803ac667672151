/** The page docs/errors.md, made from the table of problems. */

import { problemRows } from '../functions/aws/problems.ts';

const HEAD = `# Errors of a validator's API

Every refusal is \`application/problem+json\` (RFC 9457): \`type\`, \`title\`, \`status\`, \`code\`, \`detail\` and
\`instance\`, which is the correlation id (\`x-correlation-id\`) under which the request is logged. Branch on
\`code\`: it is stable. \`429\` and \`503\` carry \`Retry-After\`; any other validator may be asked meanwhile.

\`202\` means that one validator holds a transaction. What the network decided stands in its receipt, where a
refused transaction has status \`INVALID\` and one of the chaincode's codes; the same codes answer queries here.

This page is made by \`node scripts/generate-openapi.ts\` from \`functions/aws/problems.ts\`.

| status | code | meaning |
| ------ | ---- | ------- |
`;

export function errorsPage(): string {
  const rows = problemRows().map(
    ({ status, code, title }) => `| ${status} | \`${code}\` | ${title} |\n`,
  );
  return HEAD + rows.join('');
}

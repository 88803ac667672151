/** The one place where the SDK verifies: receipts and state answers against the genesis document. */

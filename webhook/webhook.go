// Package webhook delivers step executions to the subscriber's receiver: one HTTP client with an address
// guard, Standard Webhooks signatures, and a verdict in the vocabulary of error.code (DESIGN section 5).
//
// It knows HTTP and nothing of workflows: it keeps no state between deliveries, never repeats one, and does
// not read the answer in a 2xx body. Attempts, backoff and answers are the business of engine and domain.
package webhook

package handlers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/api"
	"github.com/genevadrive/genevadrive/domain"
)

// CompleteStepExecution answers POST /v1/step-executions/{id}/complete. The answer goes to the engine as it
// came: it is read as the body of a webhook's response is.
func (h *Handlers) CompleteStepExecution(ctx context.Context, r api.CompleteStepExecutionRequestObject) (api.CompleteStepExecutionResponseObject, error) {
	answer, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read a callback: %w", err)
	}
	x, err := h.engine.Complete(ctx, r.ID, infoOf(ctx).callbackToken, answer)
	if err != nil {
		return nil, err
	}
	return api.CompleteStepExecution200JSONResponse(executionView(x)), nil
}

// callbackTokenForm is that of every bearer token (RFC 6750), of a length that is worth looking at.
var callbackTokenForm = regexp.MustCompile(`^[A-Za-z0-9._~+/-]{1,512}={0,2}$`)

// tokenCheck is nil for the token of an execution.
type tokenCheck func(execution uuid.UUID, token string) error

// authenticateCallback lets a request pass that has the token of the execution in its path, whoever it comes from:
// receivers have no API key. Nothing of its body is read before. A path that has no id leads nowhere, whatever the token.
func authenticateCallback(w http.ResponseWriter, r *http.Request, next http.Handler, check tokenCheck, p problems) {
	token, ok := bearerOf(r)
	switch {
	case !ok:
		askForBearer(w, "")
		p.write(w, r, domain.Errorf(domain.CodeUnauthorized, "Send Authorization: Bearer with the token in data.callback of the delivery."))
	case !callbackTokenForm.MatchString(token):
		askForBearer(w, "invalid_token")
		p.write(w, r, domain.Errorf(domain.CodeUnauthorized, "This is not a callback token; send the one in data.callback of the delivery as it is."))
	default:
		id, err := pathValue(routeOf(r), r.URL, "id")
		if execution, faulty := uuid.Parse(id); err == nil && faulty == nil && check != nil {
			if err := check(execution, token); err != nil {
				p.write(w, r, err)
				return
			}
		}
		infoOf(r.Context()).callbackToken = token
		next.ServeHTTP(w, r)
	}
}

package evidence

import (
	"fmt"
	htmltemplate "html/template"
	"io"
	"text/template"
)

// WriteText writes the report for a terminal or a file.
func (r *Report) WriteText(w io.Writer, l Language) error {
	p, err := r.view(l)
	if err != nil {
		return err
	}
	form, err := template.ParseFS(files, "templates/report.txt.tmpl")
	if err == nil {
		err = form.Execute(w, p)
	}
	return written(err)
}

// WriteHTML writes the report as one page to be read in a browser and printed: it holds all that it needs, and no script.
func (r *Report) WriteHTML(w io.Writer, l Language) error {
	p, err := r.view(l)
	if err != nil {
		return err
	}
	form, err := htmltemplate.ParseFS(files, "templates/report.html.tmpl")
	if err == nil {
		err = form.Execute(w, p)
	}
	return written(err)
}

func written(err error) error {
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

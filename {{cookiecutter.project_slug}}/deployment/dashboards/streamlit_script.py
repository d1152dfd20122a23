"""What Streamlit runs anew for every user and every change, in the process that `serve` has begun."""

from deployment.dashboards.streamlit_app import page

page()
